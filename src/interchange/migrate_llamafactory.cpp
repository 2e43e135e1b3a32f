// LLaMA-Factory: the flat YAML of `llamafactory-cli train`.
#include <filesystem>

#include "migration.h"
#include "peft/util/error.h"
#include "peft/util/text.h"

namespace peft {
namespace {

namespace fs = std::filesystem;

Json as_finetuning_type(const ForeignKey& key, MigrationWork& work) {
  if (key.value == "lora" || key.value == "full") {
    return key.value == "lora" ? "LORA" : "FULL";
  }
  work.refuse(key, fmt::format("{} is not available in this version; write lora or full",
                               json_excerpt(key.value)));
  return nullptr;
}

Json as_stage(const ForeignKey& key, MigrationWork& work) {
  if (key.value == "pt") {
    work.set("data.format", "text");
    work.set("data.train_on", "all");
    return nullptr;
  }
  return refuse_value(key, work);
}

/// false, the default, means that checkpointing is on.
Json as_checkpointing(const ForeignKey& key, MigrationWork&) {
  return key.value != Json(true);
}

Json as_scored_prompts(const ForeignKey& key, MigrationWork&) {
  return key.value == Json(true) ? Json("all") : Json();
}

Json as_masked_history(const ForeignKey& key, MigrationWork&) {
  return key.value == Json(true) ? Json("last_assistant") : Json();
}

/// packing lets rows of a pack see each other, unless neat_packing says otherwise.
Json as_llamafactory_packing(const ForeignKey& key, MigrationWork& work) {
  if (key.value != Json(true) || work.theirs().value("neat_packing") == Json(true)) {
    return key.value == Json(true) ? Json("bfd") : Json();
  }
  work.refuse(key,
              "lets the rows of a pack see each other, which they never do here; write "
              "neat_packing: true, which hides them, or packing: false");
  return nullptr;
}

Json as_pissa(const ForeignKey& key, MigrationWork&) {
  return key.value == Json(true) ? Json("pissa") : Json();
}

/// What dataset_info.json in dataset_dir says of a data set, or null.
Json registered(const MigrationWork& work, const std::string& name) {
  const fs::path folder = work.theirs().value("dataset_dir", "data").get<std::string>();
  if (!fs::exists(folder / "dataset_info.json")) {
    return nullptr;
  }
  const Json all = read_json<UsageError>(folder / "dataset_info.json");
  Json entry = all.is_object() && all.contains(name) ? all.at(name) : Json();
  if (entry.is_object() && entry.contains("file_name")) {
    entry["file_name"] = (folder / entry.at("file_name").get<std::string>()).string();
  }
  return entry;
}

/// The format and the columns of a registered data set.
void take_columns(const Json& entry, MigrationWork& work) {
  if (entry.contains("formatting")) {
    work.set("data.format", entry.at("formatting") == "sharegpt" ? "chat" : "instruct");
  }
  const Json columns = entry.value("columns", Json::object());
  Json ours = Json::object();
  const std::pair<const char*, const char*> names[] = {
      {"prompt", "instruction"}, {"query", "input"},       {"response", "output"},
      {"system", "system"},      {"messages", "messages"}, {"history", "history"}};
  for (const auto& [from, to] : names) {
    if (columns.contains(from) && columns.at(from) != to) {
      ours[to] = columns.at(from);
    }
  }
  if (!ours.empty()) {
    work.set("data.columns", ours);
  }
}

/// Names of dataset_info.json, joined by commas.
Json as_datasets(const ForeignKey& key, MigrationWork& work) {
  Json sources = Json::array();
  const Json list =
      key.value.is_string() ? Json(split(key.value.get<std::string>(), ',')) : key.value;
  for (const Json& item : list) {
    std::string name = item.is_string() ? item.get<std::string>() : "";
    name.erase(0, name.find_first_not_of(' '));
    const Json entry = registered(work, name);
    if (entry.is_object() && entry.contains("file_name")) {
      take_columns(entry, work);
      sources.push_back(entry.at("file_name"));
      continue;
    }
    work.left(key, fmt::format("\"{}\" is a name in a dataset_info.json that is not here; write "
                               "data.train with the file of its rows",
                               escaped(name)));
    sources.push_back(name);
  }
  return sources.size() == 1 ? sources[0] : sources;
}

}  // namespace

const MigrationTool& llamafactory_tool() {
  static const MigrationTool tool = {
      .name = "llamafactory",
      .title = "LLaMA-Factory",
      .rules = both(
          std::vector<MigrationRule>{
              {"model_name_or_path", "model.name_or_path"},
              {.key = "adapter_name_or_path", .ours = "adapter.path"},
              {.key = "stage", .translate = as_stage, .neutral = {"sft"}},
              {"finetuning_type", "adapter.peft_type", "", as_finetuning_type},
              {"lora_rank", "adapter.r"},
              {"lora_alpha", "adapter.lora_alpha"},
              {"lora_dropout", "adapter.lora_dropout", "", as_number},
              {"lora_target", "adapter.target_modules", "", as_targets},
              {"additional_target", "adapter.modules_to_save", "", as_targets},
              {"use_rslora", "adapter.use_rslora"},
              {"use_dora", "adapter.use_dora"},
              {"pissa_init", "adapter.init_lora_weights", "", as_pissa},
              {.key = "loraplus_lr_ratio", .ours = "training.loraplus_lr_ratio"},
              {.key = "quantization_bit", .why = kNoQuantisedBases},
              {"dataset", "data.train", "", as_datasets},
              {"eval_dataset", "data.eval", "", as_datasets},
              {"val_size", "data.eval_split_ratio", "", as_held_out},
              {"template", "",
               "the model's own chat template is used: write data.chat_template "
               "for another"},
              {"cutoff_len", "data.max_length"},
              {.key = "max_samples", .why = "write {\"path\", \"limit\"} in data.train"},
              {"train_on_prompt", "data.train_on", "", as_scored_prompts},
              {"mask_history", "data.train_on", "", as_masked_history},
              {"packing", "data.packing", "", as_llamafactory_packing},
              {"neat_packing", "data.packing", "", as_packing},
              {"disable_gradient_checkpointing", "training.gradient_checkpointing",
               "says the opposite", as_checkpointing},
              {.key = "flash_attn", .neutral = {"auto"}},
              {.key = "rope_scaling", .why = "the checkpoint's config decides"},
              {.key = "use_unsloth", .neutral = {false}},
              {.key = "use_galore", .why = "not available in this version", .neutral = {false}},
              {.key = "use_badam", .why = "not available in this version", .neutral = {false}}},
          training_argument_rules()),
      .ignored = both(
          std::vector<std::string>{"dataset_dir", "media_dir", "overwrite_cache", "cache_dir",
                                   "preprocessing_num_workers", "plot_loss", "enable_liger_kernel",
                                   "infer_*", "swanlab_*", "use_swanlab", "image_*", "video_*",
                                   "enable_thinking", "print_param_status", "upcast_*"},
          training_argument_ignored()),
      .defaults = both(std::vector<MigrationDefault>{{"adapter.peft_type", "LORA"},
                                                     {"adapter.r", 8},
                                                     {"training.gradient_checkpointing", true}},
                       training_argument_defaults()),
      .finish = finish_strategies};
  return tool;
}

}  // namespace peft
