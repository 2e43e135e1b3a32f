// axolotl: the YAML of `axolotl train`.
#include "migration.h"
#include "peft/util/text.h"

namespace peft {
namespace {

Json as_axolotl_adapter(const ForeignKey& key, MigrationWork& work) {
  if (key.value == "qlora") {
    work.left(key, kNoQuantisedBases);
    return "LORA";
  }
  if (key.value == "lora") {
    return "LORA";
  }
  work.refuse(
      key, fmt::format("{} is not available in this version; write lora", json_excerpt(key.value)));
  return nullptr;
}

Json as_all_linear(const ForeignKey& key, MigrationWork&) {
  return key.value == Json(true) ? Json("all-linear") : Json();
}

/// Rows per optimizer step and device there, whatever its name.
Json as_axolotl_batch(const ForeignKey& key, MigrationWork& work) {
  const double rows = number_or(key.value, 0.0);
  const double micro = number_or(work.theirs().value("micro_batch_size"), 1.0);
  work.refuse(key, fmt::format("counts rows of one optimizer step, not of one forward pass; write "
                               "gradient_accumulation_steps: {:.0f} (batch_size / "
                               "micro_batch_size) instead",
                               micro > 0.0 ? rows / micro : rows));
  return nullptr;
}

Json as_logging_share(const ForeignKey& key, MigrationWork&) {
  return key.value == Json(true) ? Json(Json::array({"jsonl", "tensorboard"})) : Json();
}

/// Evaluations and checkpoints are counted per epoch where the file does not count steps.
void finish_axolotl(MigrationWork& work) {
  const ForeignConfig& theirs = work.theirs();
  if (const ForeignKey* const key = theirs.find("evals_per_epoch")) {
    if (number_or(key->value, 1.0) == 0.0) {
      work.set("training.eval_steps", 0);
    } else if (number_or(key->value, 1.0) != 1.0) {
      work.left(*key, "counts per epoch; write training.eval_steps. Each epoch ends with one");
    }
  }
  if (const ForeignKey* const key = theirs.find("saves_per_epoch")) {
    work.left(*key, "counts per epoch; checkpoints are written by time (training.save_steps auto)");
  }
  if (theirs.find("adapter") == nullptr) {
    work.set("adapter.peft_type", "FULL");
  }
}

std::vector<MigrationRule> axolotl_model_rules() {
  return {{"base_model", "model.name_or_path"},
          {.key = "torch_dtype", .ours = "model.dtype"},
          {"bf16", "model.dtype", "", as_bfloat16},
          {"fp16", "model.dtype", "", as_float16}};
}

std::vector<MigrationRule> axolotl_lora_rules() {
  return {{"adapter", "adapter.peft_type", "", as_axolotl_adapter},
          {.key = "lora_model_dir", .ours = "adapter.path"},
          {"lora_r", "adapter.r"},
          {"lora_alpha", "adapter.lora_alpha"},
          {"lora_dropout", "adapter.lora_dropout", "", as_number},
          {"lora_target_modules", "adapter.target_modules", "", as_targets},
          {"lora_target_linear", "adapter.target_modules", "", as_all_linear},
          {"lora_modules_to_save", "adapter.modules_to_save"},
          {"peft_use_dora", "adapter.use_dora"},
          {"peft_use_rslora", "adapter.use_rslora"},
          {"peft_layers_to_transform", "adapter.layers_to_transform"},
          {"peft_init_lora_weights", "adapter.init_lora_weights"},
          {"peft_trainable_token_indices", "adapter.trainable_token_indices"},
          {.key = "load_in_4bit", .why = kNoQuantisedBases, .neutral = {false}},
          {.key = "load_in_8bit", .why = kNoQuantisedBases, .neutral = {false}},
          {.key = "lora_fan_in_fan_out", .neutral = {false}}};
}

std::vector<MigrationRule> axolotl_training_rules() {
  return {{"output_dir", "training.output_dir"},
          {"num_epochs", "training.num_train_epochs", "", as_number},
          {.key = "max_steps", .ours = "training.max_steps", .neutral = {-1, 0}},
          {"micro_batch_size", "training.per_device_train_batch_size"},
          {"gradient_accumulation_steps", "training.gradient_accumulation_steps"},
          {"batch_size", "", "", as_axolotl_batch},
          {"learning_rate", "training.learning_rate", "", as_number},
          {"loraplus_lr_ratio", "training.loraplus_lr_ratio"},
          {"optimizer", "training.optim", "", as_optimizer},
          {"weight_decay", "training.weight_decay", "", as_number},
          {"adam_beta1", "training.adam_beta1", "", as_number},
          {"adam_beta2", "training.adam_beta2", "", as_number},
          {"adam_epsilon", "training.adam_epsilon", "", as_number},
          {"max_grad_norm", "training.max_grad_norm", "", as_number},
          {"lr_scheduler", "training.lr_scheduler_type", "", as_schedule},
          {"cosine_min_lr_ratio", "training.min_lr_ratio", "", as_number},
          {"warmup_ratio", "training.warmup_ratio", "", as_number},
          {"warmup_steps", "training.warmup_steps", "", as_warmup_steps},
          {"gradient_checkpointing", "training.gradient_checkpointing"},
          {"seed", "training.seed"},
          {"logging_steps", "training.logging_steps", "", as_logging_steps},
          {"eval_steps", "training.eval_steps", "", as_steps_between},
          {"save_steps", "training.save_steps", "", as_steps_between},
          {"save_total_limit", "training.save_total_limit"},
          {"early_stopping_patience", "training.early_stopping_patience"},
          {"resume_from_checkpoint", "training.resume_from_checkpoint"},
          {"auto_resume_from_checkpoints", "", "runs go on by themselves", nullptr, {true, false}},
          {"use_tensorboard", "training.report_to", "", as_logging_share},
          {.key = "deepspeed", .why = "runs on one device here"},
          {.key = "fsdp", .why = "runs on one device here", .neutral = {Json::array()}},
          {.key = "neftune_noise_alpha", .why = "NEFTune is not available in this version"},
          {.key = "label_smoothing_factor",
           .why = "label smoothing is not available in this version",
           .neutral = {0, 0.0}},
          {.key = "group_by_length",
           .why = "rows are never padded, so nothing is gained by it",
           .neutral = {false}}};
}

}  // namespace

const MigrationTool& axolotl_tool() {
  static const MigrationTool tool = {
      .name = "axolotl",
      .title = "axolotl",
      .rules = both(both(axolotl_model_rules(), axolotl_lora_rules()),
                    both(axolotl_data_rules(), axolotl_training_rules())),
      .ignored = {"base_model_config",
                  "model_type",
                  "tokenizer_type",
                  "tokenizer_config",
                  "is_llama_derived_model",
                  "strict",
                  "trust_remote_code",
                  "dataset_prepared_path",
                  "hub_*",
                  "push_to_hub",
                  "wandb_*",
                  "mlflow_*",
                  "comet_*",
                  "use_wandb",
                  "pad_to_sequence_len",
                  "eval_sample_packing",
                  "eval_batch_size",
                  "tf32",
                  "flash_attention",
                  "xformers_attention",
                  "sdp_attention",
                  "attn_implementation",
                  "eval_max_new_tokens",
                  "eval_table_size",
                  "evals_per_epoch",
                  "saves_per_epoch",
                  "save_safetensors",
                  "local_rank",
                  "debug",
                  "special_tokens.*",
                  "plugins",
                  "liger_*",
                  "lora_mlp_kernel",
                  "lora_qkv_kernel",
                  "lora_o_kernel",
                  "ddp_*",
                  "dataloader_*",
                  "gradient_checkpointing_kwargs.*",
                  "fsdp_config.*",
                  "dataset_processes",
                  "s2_attention",
                  "eval_strategy",
                  "save_strategy",
                  "early_stopping_min_delta",
                  "gptq",
                  "logging_dir"},
      .defaults = {{"adapter.peft_type", "LORA"},
                   {"adapter.lora_dropout", 0.0},
                   {"data.max_length", 512},
                   {"data.overflow", "drop"},
                   {"training.output_dir", "./model-out"},
                   {"training.num_train_epochs", 1, {"training.max_steps"}},
                   {"training.per_device_train_batch_size", 1},
                   {"training.gradient_accumulation_steps", 1},
                   {"training.max_grad_norm", 0.0},
                   {"training.gradient_checkpointing", false},
                   {"training.save_total_limit", 4}},
      .finish = finish_axolotl};
  return tool;
}

}  // namespace peft
