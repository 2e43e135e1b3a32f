// Runs of classifiers: a base without a head gets one, trains it, and keeps its labels.
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

const fs::path kModels = fs::path(PEFT_SOURCE_DIR) / "tests" / "fixtures";

/// Rows of ids with three labels, and runs of a few steps on a tiny model of the fixtures.
class ClassifierCommand : public testing::Test {
 protected:
  void SetUp() override { write_rows({"red", "green", "blue"}); }
  /// The second id tells the label.
  void write_rows(const std::vector<Json>& labels) const {
    std::ofstream file(at("rows.jsonl"));
    for (int i = 0; i < 12; ++i) {
      file << Json{{"input_ids", {3 + i, 20 + i % 3, 9}},
                   {"label", labels[static_cast<size_t>(i % 3)]}}
           << "\n";
    }
  }
  std::string at(const std::string& name) const { return (folder_ / name).string(); }

  void configure(const std::string& model, const Json& adapter, const Json& changes = {}) const {
    Json config = {{"base_model", (kModels / model).string()},
                   {"train", at("rows.jsonl")},
                   {"eval_split_ratio", 0.25},
                   {"output_dir", at("out")},
                   {"max_steps", 8},
                   {"learning_rate", 0.05},
                   {"per_device_train_batch_size", 4}};
    config.update(adapter);
    if (changes.is_object()) {
      config.update(changes);
    }
    std::ofstream(at("run.json")) << config.dump();
  }
  Outcome train(const std::string& model, const Json& adapter, const Json& changes = {}) const {
    configure(model, adapter, changes);
    return peft("train --config " + at("run.json") + " --device cpu --threads 1 --no-progress");
  }
  Json evaluated(const std::string& flags) const {
    const Outcome outcome = peft("eval " + flags + " --data " + at("rows.jsonl") + " --json");
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return outcome.code == 0 ? Json::parse(outcome.out) : Json();
  }
  Json json_of(const std::string& name) const {
    std::stringstream text;
    text << std::ifstream(at(name)).rdbuf();
    return Json::parse(text.str());
  }

  TemporaryDirectory folder_;
};

const Json kLora = {{"peft_type", "LORA"}, {"r", 2}, {"task_type", "SEQ_CLS"}};

TEST_F(ClassifierCommand, GivesALanguageModelAHeadForTheLabelsOfTheRows) {
  const Outcome outcome = train("models/llama", kLora);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(json_of("out/labels.json")["id2label"].dump(), R"({"0":"blue","1":"green","2":"red"})");
  EXPECT_EQ(json_of("out/adapter_config.json")["modules_to_save"].dump(),
            R"(["classifier","score"])");
  const SafetensorsFile file(at("out/adapter_model.safetensors"));
  EXPECT_EQ(file.tensors().at("base_model.model.score.weight").shape.at(0), 3);
  const Json result = evaluated("--adapter " + at("out"));
  EXPECT_EQ(result["rows"], 12);
  EXPECT_GT(result["accuracy"].get<double>(), 0.6);
  EXPECT_FALSE(result.contains("perplexity"));
}

TEST_F(ClassifierCommand, MergesToAClassifierOfItsOwn) {
  ASSERT_EQ(train("models/llama", kLora).code, 0);
  const Outcome merged = peft("merge --adapter " + at("out") + " --out " + at("merged"));
  ASSERT_EQ(merged.code, 0) << merged.err;
  const Json config = json_of("merged/config.json");
  EXPECT_EQ(config["architectures"][0], "LlamaForSequenceClassification");
  EXPECT_EQ(config["id2label"]["2"], "red");
  const SafetensorsFile file(at("merged/model.safetensors"));
  EXPECT_EQ(file.tensors().count("score.weight"), 1u);
  EXPECT_EQ(file.tensors().count("lm_head.weight"), 0u);
  EXPECT_NEAR(evaluated("--model " + at("merged"))["loss"].get<double>(),
              evaluated("--adapter " + at("out"))["loss"].get<double>(), 1e-4);
}

TEST_F(ClassifierCommand, KeepsItsHeadAndItsLabelsWhenItIsConverted) {
  ASSERT_EQ(train("models/llama", {{"peft_type", "IA3"}, {"task_type", "SEQ_CLS"}}).code, 0);
  const Outcome converted =
      peft("adapters convert " + at("out") + " --rank 64 --out " + at("lora"));
  ASSERT_EQ(converted.code, 0) << converted.err;
  EXPECT_EQ(json_of("lora/labels.json"), json_of("out/labels.json"));
  EXPECT_NEAR(evaluated("--adapter " + at("lora"))["loss"].get<double>(),
              evaluated("--adapter " + at("out"))["loss"].get<double>(), 1e-4);
}

TEST_F(ClassifierCommand, TrainsAnEncoderWithItsOwnHead) {
  write_rows({2, 0, 1});
  const Outcome outcome = train("classifiers/bert", {{"peft_type", "IA3"}});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(json_of("out/adapter_config.json")["task_type"], "SEQ_CLS");
  const Json both = evaluated("--adapter " + at("out") + " --compare");
  EXPECT_LT(both["adapter"]["loss"].get<double>(), both["base"]["loss"].get<double>());
}

TEST_F(ClassifierCommand, TakesTheHeadOfAnotherTaskForNone) {
  // The same encoder as a masked language model's folder has it: its classifier does not count.
  fs::copy(kModels / "classifiers/bert", at("masked"));
  Json config = json_of("masked/config.json");
  config["architectures"] = {"BertForMaskedLM"};
  std::ofstream(at("masked/config.json")) << config.dump();
  const Outcome outcome = train(at("masked"), {{"peft_type", "BITFIT"}});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(json_of("out/labels.json")["id2label"]["0"], "blue");
}

TEST_F(ClassifierCommand, PredictsNumbers) {
  write_rows({0.0, 0.5, 1.0});
  const Outcome outcome = train("models/gpt2", kLora, {{"num_labels", 1}});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Json result = evaluated("--adapter " + at("out"));
  EXPECT_LT(result["loss"].get<double>(), 0.4);
  EXPECT_FALSE(result.contains("accuracy"));
}

TEST_F(ClassifierCommand, RefusesWhatDoesNotGoTogether) {
  const auto fault = [&](const std::string& model, const Json& adapter, const Json& changes = {}) {
    const Outcome outcome = train(model, adapter, changes);
    return std::to_string(outcome.code) + " " + outcome.err.substr(outcome.err.rfind("peft: "));
  };
  EXPECT_EQ(fault("classifiers/bert", {{"peft_type", "LORA"}, {"task_type", "CAUSAL_LM"}}),
            "2 peft: error: adapter.task_type: expected SEQ_CLS for this base, found CAUSAL_LM\n");
  EXPECT_EQ(fault("models/llama", {{"peft_type", "LORA"}}, {{"num_labels", 3}}),
            "2 peft: error: model.num_labels: needs adapter.task_type SEQ_CLS\n");
  EXPECT_EQ(fault("models/llama", kLora, {{"num_labels", 4}}),
            "4 peft: error: model.num_labels: the rows have 3 labels, found 4\n");
  EXPECT_EQ(fault("classifiers/bert", {{"peft_type", "LORA"}}, {{"num_labels", 4}}),
            "2 peft: error: model.num_labels: the base's head has 3 classes, found 4\n");
  EXPECT_EQ(
      fault("models/gpt2", kLora, {{"num_labels", 1}, {"metric_for_best_model", "eval_accuracy"}}),
      "2 peft: error: training.metric_for_best_model: expected eval_loss for this task, found "
      "\"eval_accuracy\"\n");
}

TEST_F(ClassifierCommand, NumbersBelowTheNumberOfLabelsStandForThemselves) {
  write_rows({1, 3, 4});
  ASSERT_EQ(train("models/llama", kLora, {{"num_labels", 6}}).code, 0);
  EXPECT_EQ(json_of("out/labels.json")["id2label"].size(), 6u);
  EXPECT_GT(evaluated("--adapter " + at("out"))["accuracy"].get<double>(), 0.6);
}

TEST_F(ClassifierCommand, IsNotJudgedByTheHeadOfAnother) {
  ASSERT_EQ(train("models/llama", kLora, {{"output_dir", at("first")}}).code, 0);
  write_rows({"one", "two", "three"});
  ASSERT_EQ(train("models/llama", kLora).code, 0);
  const std::string model = "eval --model " + (kModels / "models/llama").string() + " --data " +
                            at("rows.jsonl") + " --adapter " + at("out") + " --adapter ";
  const Outcome other = peft(model + at("first"));
  EXPECT_EQ(other.code, 3);
  EXPECT_NE(other.err.find("label 0 is \"blue\" here, the model's head has \"one\""),
            std::string::npos)
      << other.err;
  const Outcome without = peft(model + (kModels / "models/llama/lora").string());
  EXPECT_EQ(without.code, 3);
  EXPECT_NE(without.err.find("was not trained for the new classification head"), std::string::npos)
      << without.err;
}

TEST_F(ClassifierCommand, LeavesNoHeadToARunThatTakesItsPlace) {
  ASSERT_EQ(train("models/llama", {{"peft_type", "HOULSBY"}, {"task_type", "SEQ_CLS"}}).code, 0);
  ASSERT_TRUE(fs::exists(at("out/model_head.safetensors")));
  std::ofstream(at("run.json")) << Json{{"base_model", (kModels / "models/llama").string()},
                                        {"train", at("rows.jsonl")},
                                        {"format", "tokens"},
                                        {"output_dir", at("out")},
                                        {"max_steps", 2}};
  const Outcome outcome = peft("train --config " + at("run.json") +
                               " --device cpu --threads 1 --resume never --overwrite");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_FALSE(fs::exists(at("out/model_head.safetensors")));
  EXPECT_FALSE(fs::exists(at("out/labels.json")));
}

TEST_F(ClassifierCommand, GoesOnOnlyWithTheSameLabels) {
  ASSERT_EQ(train("models/llama", kLora).code, 0);
  write_rows({"green", "red", "blue"});
  configure("models/llama", kLora, {{"max_steps", 12}});
  const Outcome outcome = peft("train --config " + at("run.json") +
                               " --device cpu --threads 1 --allow-changed=training.max_steps");
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.err.find("not what the checkpoint was trained with"), std::string::npos)
      << outcome.err;
}

TEST_F(ClassifierCommand, SaysInTheCheckWhatTrainingWouldRefuse) {
  write_rows({"red", "red", "red"});
  configure("models/llama", kLora);
  const Outcome outcome = peft("data check --config " + at("run.json"));
  EXPECT_EQ(outcome.code, 9);
  EXPECT_NE((outcome.out + outcome.err).find("every row has the label \"red\""), std::string::npos)
      << outcome.out << outcome.err;
}

TEST_F(ClassifierCommand, IsAskedNoTextAndNoComparisonItCannotGive) {
  ASSERT_EQ(train("models/llama", kLora).code, 0);
  const std::string adapter = " --adapter " + at("out");
  EXPECT_NE(peft("generate" + adapter + " --prompt a").err.find("generates no text"),
            std::string::npos);
  EXPECT_NE(peft("eval" + adapter + " --compare --data " + at("rows.jsonl"))
                .err.find("no classification head"),
            std::string::npos);
}

}  // namespace
}  // namespace peft
