// Properties of the tables of keys.
#include "peft/config/keys.h"

#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

#include "config/resolve.h"
#include "peft/config/methods.h"
#include "peft/config/names.h"
#include "peft/config/schema.h"
#include "peft/util/text.h"

namespace peft {
namespace {

/// Spellings of a name with one mistake each: a letter left out, doubled, replaced, or swapped with
/// the next, in turn.
std::vector<std::string> typos(const std::string& name) {
  std::vector<std::string> result;
  for (size_t i = 0; i + 1 < name.size(); ++i) {
    std::string typo = name;
    switch (i % 4) {
      case 0:
        typo.erase(i, 1);
        break;
      case 1:
        typo.insert(i, 1, name[i]);
        break;
      case 2:
        typo[i] = 'z';
        break;
      default:
        std::swap(typo[i], typo[i + 1]);
    }
    result.push_back(typo);
  }
  return result;
}

/// The name between the hint's quotes.
std::string suggested(const std::string& hint) {
  const size_t begin = hint.find('"') + 1;
  return hint.substr(begin, hint.find('"', begin) - begin);
}

TEST(Keys, AreFoundBehindEveryTypo) {
  int checked = 0;
  for (const Section section : kSections) {
    for (const Key& key : keys_of(section)) {
      for (const std::string& typo : typos(key.name)) {
        if (key.name.size() < 3 || find_key(section, typo)) {
          continue;  // "r" is too short for typos
        }
        const std::string name = suggested(name_hint(section, typo));
        // Some names are neighbours (use_dora, use_qalora): the nearest wins, the first of equals.
        EXPECT_TRUE(name == key.name || edit_distance(name, typo) <= 1)
            << section_name(section) << "." << typo << ": " << name;
        ++checked;
      }
    }
  }
  EXPECT_GT(checked, 800);
}

TEST(Keys, HaveNamesThatMeanOneThingEach) {
  std::set<std::string> seen;
  for (const Section section : kSections) {
    for (const Key& key : keys_of(section)) {
      EXPECT_TRUE(seen.insert(key.name).second) << key.name;
      for (const Alias& alias : key.aliases) {
        EXPECT_TRUE(seen.insert(alias.name).second) << alias.name;
      }
    }
  }
  for (const Lookalike& lookalike : lookalikes()) {
    EXPECT_TRUE(seen.insert(lookalike.name).second) << lookalike.name;
  }
}

TEST(Keys, AcceptTheirOwnDefaults) {
  for (const Section section : kSections) {
    for (const Key& key : keys_of(section)) {
      if (key.fallback && !key.fallback->is_null()) {
        const Json file = {
            {"model", "m"}, {"train", "t"}, {"output_dir", "o"}, {key.name, *key.fallback}};
        EXPECT_EQ(refusal(file.dump()), "") << key.name;
      }
    }
  }
}

/// The keys that do something. One more here means that the engine obeys it: a key nobody obeys is
/// not accepted.
TEST(Keys, AreExactlyThoseThatHaveAnEffect) {
  std::vector<std::string> used;
  for (const Section section : kSections) {
    for (const Key& key : keys_of(section)) {
      if (key.support == Support::kUsed) {
        used.push_back(key.name);
      }
    }
  }
  const std::vector<std::string> expected = {"name_or_path",
                                             "dtype",
                                             "num_labels",
                                             "allow_pickle",
                                             "peft_type",
                                             "path",
                                             "task_type",
                                             "r",
                                             "lora_alpha",
                                             "lora_dropout",
                                             "use_rslora",
                                             "rank_pattern",
                                             "alpha_pattern",
                                             "use_dora",
                                             "init_lora_weights",
                                             "lora_bias",
                                             "target_modules",
                                             "exclude_modules",
                                             "layers_to_transform",
                                             "layers_pattern",
                                             "bias",
                                             "trainable_token_indices",
                                             "modules_to_save",
                                             "train",
                                             "eval",
                                             "eval_split_ratio",
                                             "format",
                                             "columns",
                                             "chat_template",
                                             "train_on",
                                             "train_on_eos",
                                             "special_in_text",
                                             "text_split",
                                             "skip_bad",
                                             "max_length",
                                             "overflow",
                                             "packing",
                                             "cache",
                                             "shuffle",
                                             "output_dir",
                                             "num_train_epochs",
                                             "max_steps",
                                             "per_device_train_batch_size",
                                             "gradient_accumulation_steps",
                                             "global_batch_size",
                                             "learning_rate",
                                             "lr_scheduler_type",
                                             "warmup_ratio",
                                             "warmup_steps",
                                             "min_lr_ratio",
                                             "optim",
                                             "weight_decay",
                                             "adam_beta1",
                                             "adam_beta2",
                                             "adam_epsilon",
                                             "max_grad_norm",
                                             "gradient_checkpointing",
                                             "loraplus_lr_ratio",
                                             "loraplus_lr_embedding",
                                             "seed",
                                             "logging_steps",
                                             "report_to",
                                             "eval_steps",
                                             "save_steps",
                                             "save_total_limit",
                                             "resume_from_checkpoint",
                                             "metric_for_best_model",
                                             "early_stopping_patience",
                                             "loss_spike_policy"};
  EXPECT_EQ(used, expected);
}

std::string text_of(const std::string& path) {
  std::ifstream file(std::string(PEFT_SOURCE_DIR) + "/" + path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST(Reference, IsTheCommittedPage) {
  EXPECT_EQ(config_reference(), text_of("docs/config.md"))
      << "run: build/peft config schema --markdown > docs/config.md";
}

TEST(Configs, AreComplete) {
  for (const Method& method : methods()) {
    const ResolvedConfig config =
        load_config(std::string(PEFT_SOURCE_DIR) + "/configs/" + method.name + ".json", {});
    EXPECT_EQ(config.values["adapter"]["peft_type"], method.peft_type);
    EXPECT_EQ(config.values["training"]["output_dir"], "demo/out/" + method.name);
  }
}

TEST(Schema, DescribesKeysWithTypesRangesAndDefaults) {
  const Json schema = run_file_schema();
  const Json& training = schema["properties"]["training"];
  EXPECT_EQ(
      training["properties"]["seed"].dump(),
      R"({"description":"of the adapter's start, the order of rows and dropout","default":42,)"
      R"("anyOf":[{"type":"integer","minimum":0.0,"maximum":4294967295.0},{"type":"null"}]})");
  EXPECT_EQ(training["required"].dump(), R"(["output_dir"])");
  EXPECT_EQ(training["additionalProperties"], false);
  const Json& adapter = schema["properties"]["adapter"]["anyOf"][0]["properties"];
  EXPECT_EQ(adapter["peft_type"]["anyOf"][0]["enum"].size(), methods().size());
  EXPECT_EQ(adapter["use_qalora"]["enum"].dump(), "[false,null]");
}

}  // namespace
}  // namespace peft
