// Whole runs of the program on tiny models: what training leaves, and what it refuses to go on
// with.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "cli/program.h"
#include "io/temporary_directory.h"
#include "peft/io/safetensors.h"
#include "peft/util/json.h"

namespace peft {
namespace {

namespace fs = std::filesystem;

const fs::path kTinyFixtures = fs::path(PEFT_SOURCE_DIR) / "tests" / "fixtures";

std::string content_of(const fs::path& file) {
  std::stringstream text;
  text << std::ifstream(file, std::ios::binary).rdbuf();
  return text.str();
}

/// A folder with a tiny model that reads text, rows, and runs of 2 steps.
class TrainCommand : public testing::Test {
 protected:
  void SetUp() override {
    const Outcome imported = peft("import " + (kTinyFixtures / "interchange/tiny.gguf").string() +
                                  " --out " + at("model"));
    ASSERT_EQ(imported.code, 0) << imported.err;
    write("rows.jsonl", R"({"prompt": "the ", "completion": "in the"})");
    write(
        "chat.jsonl",
        R"({"messages": [{"role": "user", "content": "in"}, {"role": "assistant", "content": "the"}]})");
  }
  std::string at(const std::string& name) const { return (folder_ / name).string(); }
  void write(const std::string& name, const std::string& row) const {
    std::ofstream file(at(name));
    for (int i = 0; i < 4; ++i) {
      file << row << "\n";
    }
  }
  void configure(const std::string& out, const Json& changes = Json::object()) const {
    Json config = {{"base_model", at("model")},
                   {"train", at("rows.jsonl")},
                   {"output_dir", at(out)},
                   {"peft_type", "LORA"},
                   {"r", 2},
                   {"max_steps", 2},
                   {"save_steps", 1},
                   {"per_device_train_batch_size", 1}};
    config.update(changes);
    std::ofstream(at("run.json")) << config.dump();
  }
  Outcome train(const std::string& out, const Json& changes = Json::object(),
                const std::string& flags = "") const {
    configure(out, changes);
    return peft("train --config " + at("run.json") + " --device cpu --threads 1 --no-progress " +
                flags);
  }

  TemporaryDirectory folder_;
};

TEST_F(TrainCommand, PlotsTheRanksOfAdaLora) {
  const Outcome outcome = train("out", {{"peft_type", "ADALORA"},
                                        {"r", nullptr},
                                        {"init_r", 4},
                                        {"target_r", 2},
                                        {"tinit", 1},
                                        {"tfinal", 1},
                                        {"deltaT", 1},
                                        {"max_steps", 6}});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(content_of(at("out/report.html")).find("<figcaption>method: mean_rank</figcaption>"),
            std::string::npos);
  const std::string log = content_of(at("out/train_log.jsonl"));
  const Json first = Json::parse(log.substr(0, log.find('\n')));
  EXPECT_TRUE(first.at("figures").at("mean_rank").is_number()) << log;
}

TEST_F(TrainCommand, RecordsTheScaleAndHoldsTheConfigToIt) {
  ASSERT_EQ(train("out", {{"lora_alpha", 8}}).code, 0);
  EXPECT_EQ(Json::parse(content_of(at("out/run_report.json")))["effective_scale"], 4.0);
  Json config = Json::parse(content_of(at("out/adapter_config.json")));
  config["use_rslora"] = true;
  std::ofstream(at("out/adapter_config.json")) << config.dump();
  const Outcome outcome = peft("merge --adapter " + at("out") + " --out " + at("merged"));
  EXPECT_EQ(outcome.code, 3);
  EXPECT_NE(outcome.err.find("was trained with the scale 4.0, and adapter_config.json means 5.65"),
            std::string::npos)
      << outcome.err;
}

TEST_F(TrainCommand, RefusesATargetThatTheModelDoesNotHave) {
  const Outcome outcome = train("out", {{"target_modules", {"q_proj", "query"}}});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_EQ(outcome.err.substr(outcome.err.find("peft: error:")),
            "peft: error: adapter.target_modules: query matches no module of LlamaForCausalLM; "
            "leave it out\n");
  EXPECT_FALSE(fs::exists(at("out")));
}

TEST_F(TrainCommand, NamesWhatARunMustNotGoOnWith) {
  ASSERT_EQ(train("out").code, 0);
  const auto goes_on = [&](const Json& changes, const std::string& more) {
    Json longer = changes;
    longer["max_steps"] = 3;
    return train("out", longer, "--dry-run --allow-changed=max_steps " + more);
  };
  EXPECT_EQ(goes_on(Json::object(), "").code, 0);  // as it was

  const Outcome config = goes_on({{"learning_rate", 0.5}}, "");
  EXPECT_EQ(config.code, 2);
  EXPECT_NE(config.err.find("with another training.learning_rate;"), std::string::npos);
  EXPECT_EQ(goes_on({{"learning_rate", 0.5}}, "--allow-changed=learning_rate").code, 0);

  write("other.jsonl", R"({"prompt": "the ", "completion": "the"})");
  const Outcome data = goes_on({{"train", at("other.jsonl")}}, "");
  EXPECT_EQ(data.code, 2);
  EXPECT_NE(data.err.find("data: not what the checkpoint was trained with"), std::string::npos);
  EXPECT_EQ(goes_on({{"train", at("other.jsonl")}}, "--allow-changed=data").code, 0);

  const Outcome chat = goes_on({{"chat_template", "chatml"}}, "");
  EXPECT_EQ(chat.code, 2);
  EXPECT_NE(chat.err.find("chat_template: not what the checkpoint was trained with"),
            std::string::npos);
  EXPECT_EQ(goes_on({{"chat_template", "chatml"}}, "--allow-changed=chat_template").code, 0);
}

TEST_F(TrainCommand, NamesABaseOrTokenizerThatChanged) {
  ASSERT_EQ(train("out").code, 0);
  const auto goes_on = [&](const std::string& more) {
    return train("out", {{"max_steps", 3}}, "--dry-run --allow-changed=max_steps " + more);
  };
  std::ofstream(at("model/tokenizer_config.json"), std::ios::app) << "\n";
  const Outcome tokenizer = goes_on("");
  EXPECT_EQ(tokenizer.code, 2);
  EXPECT_NE(tokenizer.err.find("tokenizer: not what the checkpoint was trained with"),
            std::string::npos)
      << tokenizer.err;
  EXPECT_EQ(goes_on("--allow-changed=tokenizer").code, 0);

  std::fstream weights(at("model/model.safetensors"),
                       std::ios::in | std::ios::out | std::ios::binary);
  weights.seekp(-2, std::ios::end);
  weights.put('\x11');
  weights.close();
  const Outcome base = goes_on("--allow-changed=tokenizer");
  EXPECT_EQ(base.code, 2);
  EXPECT_NE(base.err.find("base: not what the checkpoint was trained with"), std::string::npos)
      << base.err;
  EXPECT_EQ(goes_on("--allow-changed=tokenizer --allow-changed=base "
                    "--allow-changed=base_fingerprint")
                .code,
            0);
}

TEST_F(TrainCommand, LeavesTheTemplateThatItTrainedWith) {
  ASSERT_EQ(train("out", {{"train", at("chat.jsonl")}, {"chat_template", "chatml"}}).code, 0);
  EXPECT_NE(content_of(at("out/chat_template.jinja")).find("<|im_start|>"), std::string::npos);
  std::ofstream(at("ask.json")) << R"([{"role": "user", "content": "in"}])";
  const std::string ask = "generate --device cpu --json --max-new-tokens 2 --messages " +
                          at("ask.json") + " --model " + at("model");
  std::ofstream(at("short.jinja")) << "{{ messages[0]['content'] }}";
  const auto prompt_tokens = [&](const std::string& more) {
    const Outcome outcome = peft(ask + more);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return Json::parse(outcome.out).at("prompt_tokens").get<int64_t>();
  };
  const int64_t trained_with = prompt_tokens(" --chat-template chatml");
  const std::string adapter = " --adapter " + at("out");
  EXPECT_NE(prompt_tokens(""), trained_with);  // the base's own
  EXPECT_EQ(prompt_tokens(adapter), trained_with);
  EXPECT_NE(prompt_tokens(adapter + " --chat-template " + at("short.jinja")), trained_with);

  ASSERT_EQ(peft("merge --adapter " + at("out") + " --out " + at("merged")).code, 0);
  EXPECT_EQ(content_of(at("merged/chat_template.jinja")),
            content_of(at("out/chat_template.jinja")));
}

TEST_F(TrainCommand, LeavesNoTemplateWhereNoneWasUsed) {
  ASSERT_EQ(train("out", {{"chat_template", "chatml"}}).code, 0);
  EXPECT_FALSE(fs::exists(at("out/chat_template.jinja")));
}

TEST_F(TrainCommand, WarnsOfHeldOutRowsThatAreTrainedOn) {
  const Outcome same = train("out", {{"eval", at("rows.jsonl")}});
  EXPECT_NE(same.err.find("of 4 held-out rows 4 are training rows too"), std::string::npos);
  write("held_out.jsonl", R"({"prompt": "1234 ", "completion": "in 12 the 99"})");
  const Outcome other = train("out2", {{"eval", at("held_out.jsonl")}});
  EXPECT_EQ(other.err.find("held-out rows"), std::string::npos) << other.err;
}

TEST_F(TrainCommand, IsHeldToItsBaseAtAMerge) {
  ASSERT_EQ(train("out", {{"learning_rate", 0.01}}).code, 0);
  const std::string merge = "merge --adapter " + at("out") + " --out ";
  ASSERT_EQ(peft(merge + at("merged")).code, 0);

  const Outcome twice = peft(merge + at("again") + " --any-base --model " + at("merged"));
  EXPECT_EQ(twice.code, 2);
  EXPECT_NE(twice.err.find("is merged into it already"), std::string::npos);

  ASSERT_EQ(train("second", {{"learning_rate", 0.02}}).code, 0);
  const std::string second =
      "merge --adapter " + at("second") + " --out " + at("both") + " --model " + at("merged");
  const Outcome other = peft(second);
  EXPECT_EQ(other.code, 3);
  EXPECT_NE(other.err.find("is not the base that"), std::string::npos) << other.err;
  EXPECT_FALSE(fs::exists(at("both")));
  EXPECT_EQ(peft(second + " --any-base").code, 0);
}

TEST_F(TrainCommand, WithoutASingleUpdateCannotBeMerged) {
  ASSERT_EQ(train("out", {{"learning_rate", 1e-30}, {"max_steps", 1}}).code, 0);
  const Outcome outcome = peft("merge --adapter " + at("out") + " --out " + at("merged"));
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.err.find("the adapter changes nothing: it was not trained"), std::string::npos);
  EXPECT_FALSE(fs::exists(at("merged")));
}

TEST_F(TrainCommand, TakesNoMoreMemoryWithEveryStep) {
  const Outcome outcome = train("out", {{"max_steps", 800}, {"save_steps", 200}});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  std::ifstream log(at("out/train_log.jsonl"));
  std::vector<int64_t> peaks;
  for (std::string line; std::getline(log, line);) {
    peaks.push_back(Json::parse(line).at("peak_memory_bytes"));
  }
  ASSERT_EQ(peaks.size(), 800u);
  EXPECT_LE(peaks.back(), peaks[399] + peaks[399] / 100);
}

TEST_F(TrainCommand, EndsWithOneLineInTooLittleMemory) {
  int64_t refused = 0;
  for (const int megabytes : {20, 50, 100, 200, 300, 400, 430, 460, 1000, 4000}) {
    const std::string out = "out" + std::to_string(megabytes);
    configure(out, {{"dtype", "float32"}});  // LibTorch's 16-bit kernels die of it themselves
    const Outcome outcome =
        run_program("ulimit -v " + std::to_string(megabytes << 10) + "; " +
                        std::string(PEFT_BINARY_DIR) + "/peft",
                    "train --config " + at("run.json") + " --device cpu --threads 1 --no-progress");
    ASSERT_TRUE(outcome.code == 0 || outcome.code == 6) << megabytes << " MB: " << outcome.err;
    EXPECT_EQ(fs::exists(at(out + "/adapter_config.json")), outcome.code == 0) << megabytes;
    if (outcome.code == 6) {
      ++refused;
      const std::string line = outcome.err.substr(outcome.err.find("peft: error:"));
      EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1) << line;
      EXPECT_NE(line.find("out of memory: "), std::string::npos) << line;
      EXPECT_NE(line.find(" are available"), std::string::npos) << line;
    }
  }
  EXPECT_GE(refused, 4);
}

/// Merges a committed adapter of PEFT's on a tied GPT-2.
class MergeOfTied : public testing::TestWithParam<const char*> {};

TEST_P(MergeOfTied, KeepsWhatWasTrained) {
  const TemporaryDirectory folder;
  const std::string out = (folder / "merged").string();
  const Outcome outcome =
      peft("merge --json --model " + (kTinyFixtures / "models/gpt2").string() + " --adapter " +
           (kTinyFixtures / "methods" / GetParam()).string() + " --out " + out);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_LT(Json::parse(outcome.out)["max_logit_difference"].get<double>(), 1e-3);

  Json config = Json::parse(content_of(out + "/config.json"));
  const bool unties = std::string(GetParam()) == "gpt2-lora-embeddings";
  EXPECT_EQ(config.value("tie_word_embeddings", true), !unties);
  const SafetensorsFile weights(out + "/model.safetensors");
  EXPECT_EQ(weights.tensors().count("lm_head.weight"), unties ? 1u : 0u);
}

INSTANTIATE_TEST_SUITE_P(Adapters, MergeOfTied,
                         testing::Values("gpt2-lora-embeddings", "gpt2-lora-tokens"));

}  // namespace
}  // namespace peft
