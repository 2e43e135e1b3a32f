// Commands that read folders, on an imported tiny model.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "cli/program.h"
#include "peft/util/json.h"

namespace peft {
namespace {

const std::string kFixtures = std::string(PEFT_SOURCE_DIR) + "/tests/fixtures/";

/// A folder with the tiny model, imported once for all tests.
class Folders : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    std::filesystem::remove_all(folder());
    std::filesystem::create_directories(folder());
    imported_ = peft("import " + kFixtures + "interchange/tiny.gguf --out " + model() + " --json");
    std::ofstream(folder() / "rows.jsonl") << R"({"prompt": "the ", "completion": "in the"})"
                                           << "\n"
                                           << R"({"prompt": "in ", "completion": "the"})"
                                           << "\n";
    std::ofstream(folder() / "chat.json") << R"([{"role": "user", "content": "in the"}])";
  }
  static void TearDownTestSuite() { std::filesystem::remove_all(folder()); }

  static std::filesystem::path folder() {
    return std::filesystem::path(testing::TempDir()) / "peft_cli_folders";
  }
  static std::string model() { return (folder() / "model").string(); }
  static std::string path(const char* name) { return (folder() / name).string(); }

  static inline Outcome imported_;
};

TEST_F(Folders, AreImportedFromGguf) {
  EXPECT_EQ(imported_.code, 0) << imported_.err;
  const Json summary = Json::parse(imported_.out);
  EXPECT_EQ(summary["out"], model());
  EXPECT_EQ(summary["dtype"], "bfloat16");
  EXPECT_TRUE(std::filesystem::exists(model() + "/tokenizer.json"));
}

TEST_F(Folders, AreNotOverwrittenUnasked) {
  EXPECT_EQ(peft("import " + kFixtures + "interchange/tiny.gguf --out " + model()).code, 2);
}

TEST_F(Folders, Tokenize) {
  const Outcome outcome = peft("tokenize --model " + model() + " --text 'the 1234 in 12' --json");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Json encoding = Json::parse(outcome.out);
  EXPECT_EQ(encoding["ids"].dump(), "[87,261,224,20,21,22,23,224,264,224,20,21]");
  EXPECT_EQ(encoding["offsets"][0].dump(), "[0,1]");
  EXPECT_EQ(encoding["tokens"].size(), 12u);
  EXPECT_EQ(encoding["tokens"][2], "Ġ");
}

TEST_F(Folders, TokenizeAFileAsOneText) {
  const Outcome outcome =
      peft("tokenize --model " + model() + " --file " + path("chat.json") + " --json");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(Json::parse(outcome.out)["offsets"].back()[1], 39);
}

TEST_F(Folders, TokenizeMessagesWithATemplate) {
  const std::string command = "tokenize --model " + model() + " --messages " + path("chat.json") +
                              " --chat-template chatml --json";
  const Outcome outcome = peft(command);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Json without = Json::parse(outcome.out)["ids"];
  const Json with = Json::parse(peft(command + " --add-generation-prompt").out)["ids"];
  EXPECT_EQ(without[0], 1);
  EXPECT_GT(with.size(), without.size());
}

TEST_F(Folders, ShowWhatIsTrained) {
  const std::string command =
      "data show --model " + model() + " --data " + path("rows.jsonl") + " -n 1";
  const Outcome outcome = peft(command);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("⟦in the"), std::string::npos) << outcome.out;
  const Json document = Json::parse(peft(command + " --json").out);
  EXPECT_EQ(document["report"]["rows"], 2);
  EXPECT_EQ(document["examples"].size(), 1u);
}

TEST_F(Folders, RefuseAMissingDataFileWithItsExitCode) {
  EXPECT_EQ(peft("data show --model " + model() + " --data no.jsonl").code, 4);
}

TEST_F(Folders, SizeTheMethods) {
  const Outcome outcome = peft("methods --json --model " + model());
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Json lora = Json::parse(outcome.out)[0];
  EXPECT_GT(lora["trainable_parameters"].get<int64_t>(), 0);
  EXPECT_EQ(lora["adapter_bytes"], 4 * lora["trainable_parameters"].get<int64_t>());
}

TEST_F(Folders, DescribeAdapters) {
  const Outcome outcome = peft("adapters info --json " + kFixtures + "models/llama/lora-rslora");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Json info = Json::parse(outcome.out);
  EXPECT_EQ(info["peft_type"], "LORA");
  EXPECT_EQ(info["use_rslora"], true);
  EXPECT_EQ(info["dtype"], "F32");
  EXPECT_EQ(info["b_is_zero"], false);
  EXPECT_NEAR(info["scale"].get<double>(),
              info["lora_alpha"].get<double>() / std::sqrt(info["r"].get<double>()), 1e-12);
}

TEST_F(Folders, DescribeAdaptersOfEveryMethod) {
  int64_t described = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kFixtures + "methods")) {
    if (!entry.is_directory()) {
      continue;
    }
    const std::string text = peft("adapters info " + entry.path().string()).out;
    EXPECT_NE(text.find("\nmethod                   "), std::string::npos) << entry.path();
    EXPECT_NE(text.find("\ntensors                  "), std::string::npos) << entry.path();
    EXPECT_EQ(text.find("null"), std::string::npos) << text;
    ++described;
  }
  EXPECT_GE(described, 30);
}

TEST_F(Folders, DescribeWhatAMethodSaysOfItself) {
  const auto settings = [](const std::string& adapter) {
    return Json::parse(peft("adapters info --json " + kFixtures + "methods/" + adapter).out);
  };
  const Json ia3 = settings("llama-ia3");
  EXPECT_EQ(ia3["method"], "ia3");
  EXPECT_EQ(ia3["settings"]["feedforward_modules"], Json({"down_proj"}));
  EXPECT_EQ(ia3["scale"], nullptr);
  EXPECT_EQ(settings("gpt2-bitfit")["method"], "bitfit");
  EXPECT_EQ(settings("llama-prompt-tuning")["mergeable"], false);
  EXPECT_EQ(settings("llama-adalora")["r"], nullptr);
}

TEST_F(Folders, AdaptersThatAreEqualDifferInNothing) {
  const std::string adapter = kFixtures + "models/llama/lora-qv";
  const Outcome outcome = peft("adapters diff " + adapter + " " + adapter);
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.out, "equal: the same keys and 8 tensors\n");
}

TEST_F(Folders, AdaptersThatDifferAreToldApartWithCode9) {
  const std::string command = "adapters diff " + kFixtures + "combinations/llama/first " +
                              kFixtures + "combinations/llama/second";
  const Outcome outcome = peft(command + " --json");
  EXPECT_EQ(outcome.code, 9);
  EXPECT_EQ(outcome.err, "");
  const Json result = Json::parse(outcome.out);
  EXPECT_EQ(result["equal"], false);
  EXPECT_EQ(result["config"][0].dump(), R"({"key":"lora_alpha","a":3,"b":2})");
  EXPECT_EQ(result["only_in_a"].size(), 4u);  // q_proj of two layers
  EXPECT_EQ(result["only_in_b"].size(), 4u);  // o_proj
  EXPECT_EQ(result["shared_tensors"], 6);
  EXPECT_EQ(result["values"].size(), 6u);
  EXPECT_GT(result["largest_difference"].get<double>(), 0.1);
  const std::string text = peft(command).out;
  EXPECT_NE(text.find("  lora_alpha               3                                2\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("values: 6 of 6 shared tensors differ"), std::string::npos) << text;
}

TEST_F(Folders, AdaptersOfOtherRanksDifferInShapes) {
  const Json result =
      Json::parse(peft("adapters diff --json " + kFixtures + "combinations/llama/first " +
                       kFixtures + "combinations/llama/wide")
                      .out);
  ASSERT_EQ(result["layouts"].size(), 4u);
  EXPECT_EQ(result["layouts"][0]["a"].dump(), R"({"dtype":"F32","shape":[2,32]})");
  EXPECT_EQ(result["layouts"][0]["b"].dump(), R"({"dtype":"F32","shape":[3,32]})");
  EXPECT_EQ(result["relative_difference"], 0.0);  // nothing of one shape
}

}  // namespace
}  // namespace peft
