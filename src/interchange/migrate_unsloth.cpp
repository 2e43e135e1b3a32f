// unsloth: the file of `unsloth train --config`, with sections data, training, lora and logging.
#include "migration.h"
#include "peft/util/text.h"

namespace peft {
namespace {

Json as_training_type(const ForeignKey& key, MigrationWork&) {
  return key.value == "full" ? "FULL" : "LORA";
}

Json as_unsloth_format(const ForeignKey& key, MigrationWork&) {
  const std::string name = key.value.is_string() ? lower_ascii(key.value.get<std::string>()) : "";
  if (name == "alpaca") {
    return "instruct";
  }
  if (name == "raw") {
    return "text";
  }
  return name == "auto" ? Json() : Json("chat");
}

Json as_answers_only(const ForeignKey& key, MigrationWork&) {
  return key.value == Json(true) ? "assistant" : "all";
}

Json as_unsloth_checkpointing(const ForeignKey& key, MigrationWork&) {
  return !(key.value == "none" || key.value == Json(false));
}

Json as_tensorboard(const ForeignKey& key, MigrationWork&) {
  return key.value == Json(true) ? Json(Json::array({"jsonl", "tensorboard"})) : Json();
}

/// 4-bit bases are that tool's default.
void finish_unsloth(MigrationWork& work) {
  const ForeignKey* const given = work.theirs().find("training.load_in_4bit");
  if (given == nullptr || given->value != Json(false)) {
    work.left(given != nullptr ? *given : ForeignKey{"training.load_in_4bit", nullptr, 0},
              "the base is 4-bit there unless it says false; quantised bases are not available in "
              "this version, and the base stays as it is");
  }
  for (const char* part : {"lora.finetune_attention_modules", "lora.finetune_mlp_modules"}) {
    const ForeignKey* const key = work.theirs().find(part);
    if (key != nullptr && key->value == Json(false)) {
      work.left(*key, "write adapter.target_modules without those modules");
    }
  }
}

}  // namespace

const MigrationTool& unsloth_tool() {
  static const MigrationTool tool = {
      .name = "unsloth",
      .title = "unsloth",
      .rules = {{"model", "model.name_or_path"},
                {"data.dataset", "data.train", "", as_data},
                {"data.local_dataset", "data.train", "", as_data},
                {"data.format_type", "data.format", "", as_unsloth_format},
                {"training.training_type", "adapter.peft_type", "", as_training_type},
                {"training.max_seq_length", "data.max_length"},
                {"training.output_dir", "training.output_dir"},
                {"training.num_epochs", "training.num_train_epochs", "", as_number},
                {.key = "training.max_steps", .ours = "training.max_steps", .neutral = {0}},
                {"training.learning_rate", "training.learning_rate", "", as_number},
                {"training.batch_size", "training.per_device_train_batch_size"},
                {"training.gradient_accumulation_steps", "training.gradient_accumulation_steps"},
                {"training.warmup_steps", "training.warmup_steps", "", as_warmup_steps},
                {"training.save_steps", "training.save_steps"},
                {"training.weight_decay", "training.weight_decay", "", as_number},
                {"training.random_seed", "training.seed"},
                {"training.packing", "data.packing", "", as_packing},
                {"training.train_on_completions", "data.train_on", "", as_answers_only},
                {"training.gradient_checkpointing", "training.gradient_checkpointing", "",
                 as_unsloth_checkpointing},
                {"lora.lora_r", "adapter.r"},
                {"lora.lora_alpha", "adapter.lora_alpha"},
                {"lora.lora_dropout", "adapter.lora_dropout", "", as_number},
                {"lora.target_modules", "adapter.target_modules", "", as_targets},
                {"lora.use_rslora", "adapter.use_rslora"},
                {"lora.use_dora", "adapter.use_dora"},
                {.key = "lora.use_loftq",
                 .why = "LoftQ is not available in this version",
                 .neutral = {false}},
                {"logging.enable_tensorboard", "training.report_to", "", as_tensorboard},
                {.key = "logging.enable_wandb",
                 .why = "is not served; it can read the run's train_log.jsonl later",
                 .neutral = {false}}},
      .ignored = {"training.load_in_4bit", "lora.finetune_*", "lora.vision_all_linear",
                  "logging.wandb_project", "logging.wandb_token", "logging.tensorboard_dir",
                  "logging.hf_token"},
      .defaults = {{"adapter.peft_type", "LORA"},
                   {"adapter.r", 64},
                   {"adapter.lora_alpha", 16},
                   {"adapter.target_modules", Json::array({"q_proj", "k_proj", "v_proj", "o_proj",
                                                           "gate_proj", "up_proj", "down_proj"})},
                   {"data.train_on", "all"},
                   {"training.output_dir", "./outputs"},
                   {"training.num_train_epochs", 3, {"training.max_steps"}},
                   {"training.learning_rate", 2e-4},
                   {"training.per_device_train_batch_size", 2},
                   {"training.gradient_accumulation_steps", 4},
                   {"training.warmup_steps", 5},
                   {"training.weight_decay", 0.01},
                   {"training.lr_scheduler_type", "linear"},
                   {"training.save_steps", 0},
                   {"training.gradient_checkpointing", true},
                   {"training.seed", 3407}},
      .finish = finish_unsloth};
  return tool;
}

}  // namespace peft
