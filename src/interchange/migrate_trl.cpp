// TRL: SFTConfig, ModelConfig and ScriptArguments in one file, as `trl sft --config` reads it.
#include <algorithm>

#include "migration.h"
#include "peft/util/text.h"

namespace peft {
namespace {

/// use_peft false is a full fine-tuning; TRL's default.
Json as_use_peft(const ForeignKey& key, MigrationWork&) {
  return key.value == Json(true) || key.value == "true" ? "LORA" : "FULL";
}

Json as_columns_of_text(const ForeignKey& key, MigrationWork&) {
  return key.value == Json("text") ? Json() : Json{{"text", key.value}};
}

/// A list of mixed data sets: [{path, data_files, ...}].
Json as_mixture(const ForeignKey& key, MigrationWork& work) {
  Json sources = Json::array();
  for (const Json& item : key.value) {
    const bool has_files = item.is_object() && item.contains("data_files");
    const Json files = !item.is_object() ? Json()
                       : has_files       ? item.at("data_files")
                                         : item.value("path", Json());
    if (!files.is_string()) {
      work.left(key, fmt::format("expected files with rows, found {}", json_excerpt(item)));
      continue;
    }
    if (!has_files) {
      work.left(key, fmt::format("{} is a data set of the hub: save its rows as .jsonl and name "
                                 "that in data.train",
                                 json_excerpt(files)));
    }
    sources.push_back(files);
  }
  return sources.empty() ? Json() : sources;
}

/// Without a word about it, TRL scores whole conversations, and only completions of rows that have
/// a prompt apart.
void settle_scored_tokens(MigrationWork& work) {
  const ForeignConfig& theirs = work.theirs();
  const ForeignKey* const assistant = theirs.find("assistant_only_loss");
  const ForeignKey* const completion = theirs.find("completion_only_loss");
  if (assistant != nullptr && assistant->value == Json(true)) {
    work.set("data.train_on", "assistant");
    return;
  }
  if (completion != nullptr) {
    const bool only = completion->value == Json(true);
    work.set("data.train_on", only ? "completion" : "all");
    return;
  }
  const Json train = work.ours("data.train");
  const std::vector<std::string> keys =
      train.is_string() ? first_row_keys(train.get<std::string>()) : std::vector<std::string>{};
  const bool pairs = std::find(keys.begin(), keys.end(), "completion") != keys.end();
  work.set("data.train_on", pairs ? "completion" : "all");
  if (keys.empty()) {
    const ForeignKey note{"completion_only_loss", nullptr, 0};
    work.changed(note,
                 "not given: data.train_on \"all\", which is what TRL does with `messages` and "
                 "`text` rows; write \"completion\" for rows of prompt and completion");
  }
}

/// PEFT's own choice of modules where none is given.
void settle_targets(MigrationWork& work) {
  if (work.ours("adapter.peft_type") != "LORA" || work.has("adapter.target_modules")) {
    return;
  }
  work.set("adapter.target_modules", {"q_proj", "v_proj"});
  work.changed({"lora_target_modules", nullptr, 0},
               "not given: q_proj and v_proj, PEFT's choice for the Llama family, Mistral, Qwen, "
               "Gemma and OPT; name those of another family");
}

void finish_trl(MigrationWork& work) {
  settle_targets(work);
  settle_scored_tokens(work);
  finish_strategies(work);
  const ForeignKey* const split = work.theirs().find("dataset_test_split");
  if (split != nullptr) {
    work.left(*split,
              "names a split of a hub's data set; write data.eval with a file of held-out "
              "rows");
  }
}

}  // namespace

const MigrationTool& trl_tool() {
  static const MigrationTool tool = {
      .name = "trl",
      .title = "TRL",
      .rules = both(
          std::vector<MigrationRule>{
              {"model_name_or_path", "model.name_or_path"},
              {.key = "dtype", .ours = "model.dtype", .neutral = {"auto"}},
              {.key = "torch_dtype", .ours = "model.dtype", .neutral = {"auto"}},
              {"use_peft", "adapter.peft_type", "", as_use_peft},
              {"lora_r", "adapter.r"},
              {"lora_alpha", "adapter.lora_alpha"},
              {"lora_dropout", "adapter.lora_dropout", "", as_number},
              {"lora_target_modules", "adapter.target_modules", "", as_targets},
              {"lora_modules_to_save", "adapter.modules_to_save"},
              {"use_rslora", "adapter.use_rslora"},
              {"use_dora", "adapter.use_dora"},
              {"dataset_name", "data.train", "", as_data},
              {"datasets", "data.train", "", as_mixture},
              {"dataset_text_field", "data.columns", "", as_columns_of_text},
              {"chat_template_path", "data.chat_template"},
              {"max_length", "data.max_length"},
              {"max_seq_length", "data.max_length"},
              {.key = "packing", .ours = "data.packing", .translate = as_packing},
              {.key = "packing_strategy",
               .why = "packs hold whole rows here, as bfd's do",
               .neutral = {"bfd"}},
              {.key = "truncation_mode",
               .why = "a longer row keeps its start",
               .neutral = {"keep_start"}},
              {.key = "dataset_config", .why = "belongs to the hub's data set"},
              {.key = "dataset_train_split",
               .why = "belongs to the hub's data set",
               .neutral = {"train"}},
              {.key = "dataset_streaming",
               .why = "rows are read from files here",
               .neutral = {false}},
              {.key = "loss_type",
               .why = "the loss is the negative log-likelihood",
               .neutral = {"nll"}},
              {.key = "eos_token", .why = "the tokenizer's own is used"},
              {.key = "pad_token"}},
          training_argument_rules()),
      .ignored = both(
          std::vector<std::string>{"assistant_only_loss", "completion_only_loss",
                                   "dataset_test_split", "dataset_num_proc", "padding_free",
                                   "eval_packing", "pad_to_multiple_of", "activation_offloading",
                                   "lora_task_type", "model_revision", "dataset_kwargs.*"},
          training_argument_ignored()),
      .defaults = both(std::vector<MigrationDefault>{{"adapter.peft_type", "FULL"},
                                                     {"adapter.r", 16},
                                                     {"model.dtype", "float32"},
                                                     {"adapter.lora_alpha", 32},
                                                     {"adapter.lora_dropout", 0.05},
                                                     {"data.max_length", 1024},
                                                     {"training.learning_rate", 2e-5},
                                                     {"training.gradient_checkpointing", true},
                                                     {"training.logging_steps", 10}},
                       training_argument_defaults()),
      .finish = finish_trl};
  return tool;
}

}  // namespace peft
