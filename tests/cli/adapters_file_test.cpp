// `adapters info` on bare files of tensors, as other tools publish them.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "cli/program.h"
#include "peft/util/json.h"

namespace peft {
namespace {

namespace fs = std::filesystem;

Json info(const fs::path& file) {
  const Outcome outcome = peft("adapters info --allow-pickle --json '" + file.string() + "'");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  return Json::parse(outcome.out, nullptr, /*allow_exceptions=*/false);
}

fs::path fixture(const std::string& name) {
  return fs::path(PEFT_SOURCE_DIR) / "tests/fixtures" / name;
}

TEST(AdapterFile, IsReadWithoutItsFolder) {
  const Json found = info(fixture("models/llama/lora/adapter_model.safetensors"));
  EXPECT_EQ(found.at("method"), "lora");
  EXPECT_EQ(found.at("written_by"), "Hugging Face PEFT");
  EXPECT_EQ(found.at("modules"), 14);
  EXPECT_EQ(found.at("r"), Json({4}));
}

TEST(AdapterFile, WithOtherTensorsIsRefused) {
  const Outcome outcome =
      peft("adapters info '" + fixture("models/llama/model.safetensors").string() + "'");
  EXPECT_EQ(outcome.code, 3);
  EXPECT_NE(outcome.err.find("no adapter's names are known"), std::string::npos) << outcome.err;
}

TEST(AdapterFile, ThatIsPickledNeedsLeave) {
  const Outcome outcome = peft("adapters info '" + fixture("io/torch_zip.bin").string() + "'");
  EXPECT_EQ(outcome.code, 3);
  EXPECT_NE(outcome.err.find("--allow-pickle"), std::string::npos) << outcome.err;
}

/// Two adapters that were published before PEFT was.
class PublishedAdapter : public testing::Test {
 protected:
  void SetUp() override {
    const char* const named = std::getenv("PEFT_TEST_DATA");
    folder_ = fs::path(named != nullptr ? named : "") / "adapters";
    if (named == nullptr || !fs::exists(folder_)) {
      GTEST_SKIP() << "no adapters in " << folder_ << "; set PEFT_TEST_DATA";
    }
  }

  fs::path folder_;
};

TEST_F(PublishedAdapter, OfLoralibOnRoberta) {
  const Json found = info(folder_ / "roberta-base-lora-mnli/roberta_base_lora_mnli.bin");
  EXPECT_EQ(found.at("written_by"), "loralib");
  EXPECT_EQ(found.at("method"), "lora");
  EXPECT_EQ(found.at("target_modules"), Json({"query", "value"}));
  EXPECT_EQ(found.at("modules"), 24);
  EXPECT_EQ(found.at("r"), Json({8}));
  EXPECT_EQ(found.at("tensors"), 52);
  EXPECT_EQ(found.at("parameters"), 887811);
  EXPECT_EQ(found.at("other_tensors").size(), 4u);
}

TEST_F(PublishedAdapter, OfTFewOnT0) {
  const Json found = info(folder_ / "tfew-ia3-t0-3b/t03b_ia3_finish.pt");
  EXPECT_EQ(found.at("written_by"), "T-Few");
  EXPECT_EQ(found.at("method"), "ia3");
  EXPECT_EQ(found.at("target_modules"), Json({"k", "v", "wi_1"}));
  EXPECT_EQ(found.at("modules"), 192);
  EXPECT_EQ(found.at("parameters"), 540672);
}

}  // namespace
}  // namespace peft
