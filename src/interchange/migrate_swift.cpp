// ms-swift: flags of `swift sft` in a YAML or JSON file.
#include "migration.h"
#include "peft/util/text.h"

namespace peft {
namespace {

Json as_tuner(const ForeignKey& key, MigrationWork& work) {
  if (key.value == "lora" || key.value == "full") {
    return key.value == "lora" ? "LORA" : "FULL";
  }
  if (key.value == "adalora" || key.value == "vera" || key.value == "ia3") {
    return key.value == "adalora" ? "ADALORA" : key.value == "vera" ? "VERA" : "IA3";
  }
  work.refuse(key, fmt::format("{} is not available in this version; write lora or full",
                               json_excerpt(key.value)));
  return nullptr;
}

Json as_task(const ForeignKey& key, MigrationWork& work) {
  if (key.value == "seq_cls") {
    return "SEQ_CLS";
  }
  if (key.value != "causal_lm") {
    work.refuse(key, fmt::format("{} is not available in this version; write causal_lm or seq_cls",
                                 json_excerpt(key.value)));
  }
  return nullptr;
}

Json as_loss_scale(const ForeignKey& key, MigrationWork& work) {
  if (key.value == "all" || key.value == "last_round") {
    return key.value == "all" ? "all" : "last_assistant";
  }
  if (key.value != "default") {
    work.left(key, fmt::format("{} weighs tokens; give rows a \"weight\" per message instead",
                               json_excerpt(key.value)));
  }
  return "assistant";
}

Json as_overflow(const ForeignKey& key, MigrationWork& work) {
  if (key.value == "right" || key.value == "delete") {
    return key.value == "right" ? "truncate" : "drop";
  }
  if (key.value == "raise") {
    return "error";
  }
  if (key.value == "split") {
    return "split";
  }
  work.refuse(key, fmt::format("{} cuts the start of a row away, which is not available; write "
                               "right, delete or raise",
                               json_excerpt(key.value)));
  return nullptr;
}

/// "file.jsonl#500" takes 500 rows.
Json as_swift_data(const ForeignKey& key, MigrationWork& work) {
  Json sources = Json::array();
  const Json list = key.value.is_array() ? key.value : Json::array({key.value});
  for (const Json& item : list) {
    const std::string text = item.is_string() ? item.get<std::string>() : "";
    const size_t mark = text.rfind('#');
    const std::string name = text.substr(0, mark);
    if (!name.ends_with(".jsonl") && !name.ends_with(".json")) {
      work.left(key, fmt::format("\"{}\" is no .jsonl or .json file; save its rows as one and name "
                                 "that in data.train",
                                 escaped(name)));
    }
    const double limit = mark == std::string::npos ? 0.0 : number_or(text.substr(mark + 1), 0.0);
    sources.push_back(limit >= 1.0 ? Json{{"path", name}, {"limit", static_cast<int64_t>(limit)}}
                                   : Json(name));
    if (limit >= 1.0) {
      work.changed(
          key, fmt::format("the first {} rows of {} here, not drawn ones", limit, escaped(name)));
    }
  }
  return sources.size() == 1 ? sources[0] : sources;
}

Json as_lora_start(const ForeignKey& key, MigrationWork& work) {
  if (key.value.is_boolean()) {
    return key.value;
  }
  const std::string name = key.value.is_string() ? key.value.get<std::string>() : "";
  if (name == "true" || name == "false") {
    return name == "true";
  }
  if (name == "gaussian" || name == "pissa" || name == "olora") {
    return name;
  }
  work.left(key, fmt::format("{} is not available in this version", json_excerpt(key.value)));
  return nullptr;
}

/// A total of 16 rows per step where the file says nothing.
void finish_swift(MigrationWork& work) {
  note_missing_length(work, "max_length");
  finish_strategies(work);
  if (!work.has("training.gradient_accumulation_steps")) {
    const auto rows =
        static_cast<int64_t>(number_or(work.ours("training.per_device_train_batch_size"), 1.0));
    work.set("training.gradient_accumulation_steps", rows < 1 ? 1 : (15 + rows) / rows);
  }
  if (work.has("data.eval") || work.has("data.eval_split_ratio")) {
    if (work.theirs().find("eval_strategy") == nullptr) {
      // Without a word evaluations follow the saves there.
      const ForeignKey* const own = work.theirs().find("eval_steps");
      const ForeignKey* const given = own != nullptr ? own : work.theirs().find("save_steps");
      const Json steps = given == nullptr ? Json(500) : as_steps_between(*given, work);
      if (!steps.is_null()) {
        work.set("training.eval_steps", steps);
      }
    }
  }
}

}  // namespace

const MigrationTool& swift_tool() {
  static const MigrationTool tool = {
      .name = "swift",
      .title = "ms-swift",
      .rules = both(
          std::vector<MigrationRule>{
              {"model", "model.name_or_path"},
              {"torch_dtype", "model.dtype"},
              {.key = "adapters", .why = "write adapter.path with one folder"},
              {"train_type", "adapter.peft_type", "", as_tuner},
              {"tuner_type", "adapter.peft_type", "", as_tuner},
              {"task_type", "adapter.task_type", "", as_task},
              {"num_labels", "model.num_labels"},
              {"lora_rank", "adapter.r"},
              {"lora_alpha", "adapter.lora_alpha"},
              {"lora_dropout", "adapter.lora_dropout", "", as_number},
              {"target_modules", "adapter.target_modules", "", as_targets},
              {"target_regex", "adapter.target_modules"},
              {"modules_to_save", "adapter.modules_to_save"},
              {"use_rslora", "adapter.use_rslora"},
              {"use_dora", "adapter.use_dora"},
              {"init_weights", "adapter.init_lora_weights", "", as_lora_start},
              {.key = "lorap_lr_ratio", .ours = "training.loraplus_lr_ratio"},
              {.key = "quant_method", .why = kNoQuantisedBases},
              {.key = "quant_bits", .why = kNoQuantisedBases},
              {.key = "rlhf_type", .translate = refuse_value},
              {"dataset", "data.train", "", as_swift_data},
              {"val_dataset", "data.eval", "", as_swift_data},
              {.key = "split_dataset_ratio", .ours = "data.eval_split_ratio", .neutral = {0, 0.0}},
              {"columns", "", "give data.columns as {ours: the file's name}"},
              {"template", "",
               "the model's own chat template is used: write "
               "data.chat_template for another"},
              {.key = "agent_template", .why = "the chat template writes tools and their calls"},
              {.key = "system", .why = "put it into the rows"},
              {"loss_scale", "data.train_on", "", as_loss_scale},
              {"max_length", "data.max_length"},
              {"truncation_strategy", "data.overflow", "", as_overflow},
              {"packing", "data.packing", "", as_packing},
              {.key = "early_stop_interval", .ours = "training.early_stopping_patience"},
              {.key = "streaming", .why = "rows are read from files here", .neutral = {false}}},
          training_argument_rules()),
      .ignored = both(std::vector<std::string>{"model_type", "use_hf", "attn_impl", "padding_free",
                                               "add_version", "dataset_num_proc",
                                               "template_backend", "lazy_tokenize", "model_author",
                                               "model_name", "device_map", "max_memory",
                                               "load_from_cache_file", "check_model", "max_pixels"},
                      training_argument_ignored()),
      .defaults = both(std::vector<MigrationDefault>{{"adapter.peft_type", "LORA"},
                                                     {"adapter.r", 8},
                                                     {"adapter.lora_alpha", 32},
                                                     {"adapter.lora_dropout", 0.05},
                                                     {"data.overflow", "drop"},
                                                     {"training.learning_rate", 1e-4},
                                                     {"training.per_device_train_batch_size", 1},
                                                     {"training.weight_decay", 0.1},
                                                     {"training.adam_beta2", 0.95},
                                                     {"training.lr_scheduler_type", "cosine"},
                                                     {"training.gradient_checkpointing", true},
                                                     {"training.logging_steps", 5}},
                       training_argument_defaults()),
      .finish = finish_swift};
  return tool;
}

}  // namespace peft
