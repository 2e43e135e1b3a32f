#include "peft/interchange/migrate.h"

#include <gtest/gtest.h>

#include "io/temporary_directory.h"
#include "peft/config/run_config.h"

namespace peft {
namespace {

namespace fs = std::filesystem;

/// Tests run in the source folder: the configs name files relative to it.
class InSourceFolder : public testing::Test {
 protected:
  InSourceFolder() { fs::current_path(PEFT_SOURCE_DIR); }
  ~InSourceFolder() override { fs::current_path(before_); }

 private:
  const fs::path before_ = fs::current_path();
};

const fs::path kMigrateFixtures = "tests/fixtures/interchange/migrate";

/// Everything that the command prints about a migration.
std::string report_of(const Migration& migration) {
  std::string text;
  for (const std::string& line : migration.changed) {
    text += "changed: " + line + "\n";
  }
  text += migration.defaults.empty() ? "" : migration.defaults + "\n";
  for (const std::string& line : migration.left) {
    text += "not translated: " + line + "\n";
  }
  return text;
}

struct Example {
  const char* tool;
  const char* file;
};

class Migrations : public InSourceFolder, public testing::WithParamInterface<Example> {
 protected:
  Migrations() : migration_(migrate_config(kMigrateFixtures / GetParam().file, GetParam().tool)) {}

  static std::string golden(const char* ending) {
    return bytes_of_file(kMigrateFixtures / "expected" / (std::string(GetParam().tool) + ending));
  }

  const Migration migration_;
};

TEST_P(Migrations, WriteTheExpectedRunFile) {
  EXPECT_EQ(migration_.config.dump(2) + "\n", golden(".json"));
}

TEST_P(Migrations, SayWhatChangedAndWhatIsLeft) {
  EXPECT_EQ(report_of(migration_), golden(".txt"));
}

TEST_P(Migrations, WriteWhatARunTakes) {
  const ResolvedConfig config = resolve_config(migration_.config, {}, "run.json", {});
  EXPECT_FALSE(config.values.at("training").at("output_dir").get<std::string>().empty());
}

INSTANTIATE_TEST_SUITE_P(
    All, Migrations,
    testing::Values(Example{"trl", "trl.yaml"}, Example{"axolotl", "axolotl.yml"},
                    Example{"llamafactory", "llamafactory.yaml"}, Example{"mlx", "mlx.yaml"},
                    Example{"torchtune", "torchtune.yaml"}, Example{"swift", "swift.json"},
                    Example{"unsloth", "unsloth.yaml"}),
    [](const auto& instance) { return std::string(instance.param.tool); });

class Migrating : public InSourceFolder {
 protected:
  Migration from(const std::string& tool, const std::string& yaml) {
    put_file(directory_ / "c.yaml", yaml);
    return migrate_config(directory_ / "c.yaml", tool);
  }
  /// The fault of a config, without the folder in front of each line.
  std::string fault(const std::string& tool, const std::string& yaml) {
    std::string text = error_text([&] { from(tool, yaml); });
    const std::string folder = directory_.path().string() + "/";
    for (size_t at = text.find(folder); at != std::string::npos; at = text.find(folder)) {
      text.erase(at, folder.size());
    }
    return text;
  }

  TemporaryDirectory directory_;
};

TEST_F(Migrating, TurnsMlxsScaleIntoAlpha) {
  const std::string model = "model: tests/fixtures/models/llama\nnum_layers: -1\n";
  EXPECT_EQ(from("mlx", model + "lora_parameters: {rank: 4, scale: 2.5}")
                .config["adapter"]
                .at("lora_alpha"),
            10.0);
  EXPECT_EQ(from("mlx", model).config["adapter"].at("lora_alpha"), 160.0);
}

TEST_F(Migrating, RefusesMlxsTopBlocksOfAnUnknownModel) {
  EXPECT_EQ(fault("mlx", "model: no/such\nnum_layers: 8\n"),
            "c.yaml:2: num_layers: mlx-lm adapts the top 8 blocks only, and the model's folder, "
            "which says how many there are, is not here; name it in model, or write num_layers: -1 "
            "for all blocks");
  EXPECT_NE(
      fault("mlx", "model: no/such\n").find("num_layers: not given: mlx-lm adapts the top 16"),
      std::string::npos);
}

TEST_F(Migrating, RefusesNamesThatMeanSomethingElse) {
  EXPECT_EQ(fault("axolotl", "batch_size: 64\nmicro_batch_size: 4\n"),
            "c.yaml:1: batch_size: counts rows of one optimizer step, not of one forward pass; "
            "write gradient_accumulation_steps: 16 (batch_size / micro_batch_size) instead");
  EXPECT_EQ(fault("trl", "scale: 20.0\n"),
            "c.yaml:1: scale: mlx-lm's scale is alpha / r, and no key of TRL; write lora_alpha: "
            "scale x r");
  EXPECT_NE(fault("swift", "batch_size: 4\n").find("means rows per step in one tool"),
            std::string::npos);
  EXPECT_NE(fault("trl", "train_on_inputs: true\n").find("tools disagree on what this masks"),
            std::string::npos);
  EXPECT_EQ(fault("llamafactory", "packing: true\n"),
            "c.yaml:1: packing: lets the rows of a pack see each other, which they never do here; "
            "write neat_packing: true, which hides them, or packing: false");
  EXPECT_EQ(fault("torchtune",
                  "model:\n  _component_: x.lora_y\n  apply_lora_to_output: true\n"
                  "  lora_attn_modules: [q_proj]\n"),
            "c.yaml:3: model.apply_lora_to_output: the head is never adapted; write false");
}

TEST_F(Migrating, RefusesOtherKindsOfTrainingAllTogether) {
  EXPECT_EQ(fault("llamafactory", "stage: dpo\nfinetuning_type: freeze\n"),
            "c.yaml:1: stage: \"dpo\" is another kind of training; only supervised fine-tuning is "
            "available in this version\n"
            "c.yaml:2: finetuning_type: \"freeze\" is not available in this version; write lora or "
            "full");
}

TEST_F(Migrating, ScoresWhatTheToolScores) {
  const auto train_on = [&](const std::string& tool, const std::string& yaml) {
    return from(tool, yaml).config["data"].at("train_on").get<std::string>();
  };
  put_file(directory_ / "pairs.jsonl", "{\"prompt\": \"a\", \"completion\": \"b\"}\n");
  put_file(directory_ / "chats.jsonl", "{\"messages\": []}\n");
  const std::string folder = directory_.path().string();
  EXPECT_EQ(train_on("trl", "dataset_name: " + folder + "/pairs.jsonl"), "completion");
  EXPECT_EQ(train_on("trl", "dataset_name: " + folder + "/chats.jsonl"), "all");
  EXPECT_EQ(train_on("trl", "completion_only_loss: false"), "all");
  EXPECT_EQ(train_on("axolotl", "train_on_inputs: true"), "all");
  EXPECT_EQ(train_on("llamafactory", "train_on_prompt: true"), "all");
  EXPECT_EQ(train_on("mlx", "model: tests/fixtures/models/llama"), "all");
  EXPECT_EQ(train_on("unsloth", "model: m"), "all");
}

TEST_F(Migrating, LeavesWhatOneKeyCannotSay) {
  const auto left = [&](const std::string& tool, const std::string& yaml) {
    const Migration migration = from(tool, yaml);
    std::string all;
    for (const std::string& line : migration.left) {
      all += line + "\n";
    }
    return all;
  };
  const std::string mixed =
      "datasets:\n  - {path: a.jsonl, type: completion}\n"
      "  - {path: b.jsonl, type: chat_template, shards: 4, split: train}\n";
  EXPECT_FALSE(from("axolotl", mixed).config["data"].contains("format"));
  EXPECT_NE(left("axolotl", mixed).find("their types or fields differ"), std::string::npos);
  EXPECT_NE(left("axolotl", mixed).find("datasets.shards"), std::string::npos);
  EXPECT_NE(left("axolotl", "special_tokens: {eos_token: x}\n").find("special_tokens.eos_token"),
            std::string::npos);
  EXPECT_NE(left("axolotl", "tokens: [x]\n").find("no token is added"), std::string::npos);
  const std::string full =
      "fine_tune_type: full\nnum_layers: 4\nmodel: tests/fixtures/models/llama\n";
  EXPECT_EQ(left("mlx", full).find("num_layers"), std::string::npos);  // it has two
  EXPECT_NE(left("axolotl", "eval_steps: 0.1\n").find("a share of the run"), std::string::npos);
  EXPECT_NE(left("llamafactory", "val_size: 50\n").find("a number of rows"), std::string::npos);
  EXPECT_NE(left("mlx", "model: no/such\nfine_tune_type: full\nnum_layers: 4\n")
                .find("mlx-lm trains the top 4 blocks only"),
            std::string::npos);
}

TEST_F(Migrating, KnowsClassifiersOfSwift) {
  const Json config = from("swift", "task_type: seq_cls\nnum_labels: 3\n").config;
  EXPECT_EQ(config["adapter"].at("task_type"), "SEQ_CLS");
  EXPECT_EQ(config["model"].at("num_labels"), 3);
}

TEST_F(Migrating, WritesPeftsOwnTargetsForTrl) {
  EXPECT_EQ(from("trl", "use_peft: \"true\"\n").config["adapter"].at("target_modules"),
            Json({"q_proj", "v_proj"}));
}

TEST_F(Migrating, KeepsTheNamesOfWeights) {
  const auto columns = [&](const std::string& keys) {
    const Json data =
        from("axolotl", "datasets:\n  - path: d.jsonl\n    type: chat_template\n" + keys)
            .config["data"];
    return data.value("columns", Json());
  };
  EXPECT_TRUE(columns("    message_field_training: train\n"
                      "    message_field_training_detail: train_detail\n")
                  .is_null());
  EXPECT_TRUE(columns("    message_field_training: null\n"
                      "    message_field_training_detail: null\n")
                  .is_null());
  EXPECT_EQ(columns("    message_field_training: learn\n"
                    "    message_field_training_detail: parts\n"),
            (Json{{"train_detail", "parts"}, {"weight", "learn"}}));
}

TEST_F(Migrating, LetsOneOfTwoKeysWinAsTheToolDoes) {
  const Json both = from("trl",
                         "max_steps: 50\nnum_train_epochs: 2\nwarmup_ratio: 0.1\n"
                         "warmup_steps: 7\n")
                        .config["training"];
  EXPECT_FALSE(both.contains("num_train_epochs"));
  EXPECT_FALSE(both.contains("warmup_ratio"));
  EXPECT_EQ(both.at("warmup_steps"), 7);
  EXPECT_EQ(from("trl", "warmup_steps: 0.2").config["training"].at("warmup_ratio"), 0.2);
}

TEST_F(Migrating, LeavesAFullFineTuningWithoutAdapterKeys) {
  EXPECT_EQ(from("trl", "lora_r: 8").config["adapter"].dump(), R"({"peft_type":"FULL"})");
  EXPECT_EQ(from("llamafactory", "finetuning_type: full").config["adapter"].dump(),
            R"({"peft_type":"FULL"})");
}

TEST_F(Migrating, SuggestsNamesForUnknownKeys) {
  const Migration migration = from("trl", "learning_rat: 1\n");
  ASSERT_EQ(migration.left.size(), 1u);
  EXPECT_TRUE(migration.left[0].ends_with(
      "c.yaml:1: learning_rat: no key of TRL that is known here; did you mean \"learning_rate\"?"))
      << migration.left[0];
}

TEST_F(Migrating, ReadsNumbersAsTheToolsDo) {
  const Json training =
      from("trl", "learning_rate: 1e-4\nweight_decay: '2e-2'\n").config["training"];
  EXPECT_EQ(training.at("learning_rate"), 1e-4);
  EXPECT_EQ(training.at("weight_decay"), 2e-2);
}

TEST_F(Migrating, FollowsAnchorsAndMergeKeys) {
  const Json training =
      from("trl", "x: &a {learning_rate: 3e-4}\n<<: *a\nseed: 1\n").config["training"];
  EXPECT_EQ(training.at("learning_rate"), 3e-4);
}

TEST_F(Migrating, RefusesFilesThatAreNoConfigs) {
  EXPECT_EQ(fault("trl", "- a\n- b\n"), "c.yaml: expected keys and values, found a list");
  EXPECT_EQ(fault("trl", "a: [1\nb: 2\n").substr(0, 7), "c.yaml:");
  EXPECT_EQ(fault("trl", "a: 1\na: 2\n"), "c.yaml:2:1: the key \"a\" appears twice");
  EXPECT_EQ(fault("trl", std::string("a: \xFF")), "c.yaml: is not UTF-8");
  EXPECT_EQ(error_text([] { migrate_config("no/such.yaml", "trl"); }),
            "no/such.yaml: no such file");
  EXPECT_EQ(fault("trll", "a: 1"),
            "--from: expected trl, axolotl, llamafactory, mlx, torchtune, swift, unsloth, found "
            "\"trll\"; did you mean \"trl\"?");
}

TEST_F(Migrating, HoldsOutAgainstDepthAndMultipliedAnchors) {
  EXPECT_NE(fault("trl", "a: " + std::string(100, '[') + std::string(100, ']')).find("64 deep"),
            std::string::npos);
  std::string bomb = "l0: &l0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n";
  for (int i = 1; i < 8; ++i) {
    const std::string before = "*l" + std::to_string(i - 1);
    bomb += "l" + std::to_string(i) + ": &l" + std::to_string(i) + " [" + before;
    for (int k = 0; k < 9; ++k) {
      bomb += ", " + before;
    }
    bomb += "]\n";
  }
  EXPECT_NE(fault("trl", bomb).find("expected at most 100000 values"), std::string::npos);
}

}  // namespace
}  // namespace peft
