// transformers' TrainingArguments, which TRL, LLaMA-Factory and ms-swift inherit.
#include "migration.h"
#include "peft/util/text.h"

namespace peft {
namespace {

const char* const kOneDevice = "runs on one device here";

/// lr_scheduler_kwargs.min_lr_rate, or min_lr beside learning_rate.
Json as_min_lr_share(const ForeignKey& key, MigrationWork& work) {
  const double rate = number_or(work.theirs().value("learning_rate"), 0.0);
  if (rate <= 0.0) {
    work.left(key, "needs learning_rate beside it; write training.min_lr_ratio, its share of that");
    return nullptr;
  }
  return share_of(number_or(key.value, 0.0), rate);
}

}  // namespace

std::vector<MigrationRule> training_argument_rules() {
  return {
      {"output_dir", "training.output_dir"},
      {"num_train_epochs", "training.num_train_epochs", "", as_number},
      {.key = "max_steps", .ours = "training.max_steps", .neutral = {-1, 0}},
      {"per_device_train_batch_size", "training.per_device_train_batch_size"},
      {"gradient_accumulation_steps", "training.gradient_accumulation_steps"},
      {"learning_rate", "training.learning_rate", "", as_number},
      {"optim", "training.optim", "", as_optimizer},
      {"weight_decay", "training.weight_decay", "", as_number},
      {"adam_beta1", "training.adam_beta1", "", as_number},
      {"adam_beta2", "training.adam_beta2", "", as_number},
      {"adam_epsilon", "training.adam_epsilon", "", as_number},
      {"max_grad_norm", "training.max_grad_norm", "", as_number},
      {"lr_scheduler_type", "training.lr_scheduler_type", "", as_schedule},
      {"lr_scheduler_kwargs.min_lr_rate", "training.min_lr_ratio", "", as_number},
      {"lr_scheduler_kwargs.min_lr", "training.min_lr_ratio",
       "a share of the peak here, not a rate", as_min_lr_share},
      {.key = "warmup_ratio",
       .ours = "training.warmup_ratio",
       .translate = as_number,
       .neutral = {0, 0.0}},
      {"warmup_steps", "training.warmup_steps", "", as_warmup_steps},
      {"gradient_checkpointing", "training.gradient_checkpointing"},
      {"seed", "training.seed"},
      {"logging_steps", "training.logging_steps", "", as_logging_steps},
      {.key = "save_total_limit", .ours = "training.save_total_limit"},
      {"metric_for_best_model", "training.metric_for_best_model"},
      {"early_stopping_patience", "training.early_stopping_patience"},
      {"early_stopping_steps", "training.early_stopping_patience"},
      {"resume_from_checkpoint", "training.resume_from_checkpoint"},
      {"report_to", "training.report_to", "", as_reports},
      {"bf16", "model.dtype", "", as_bfloat16},
      {"fp16", "model.dtype", "", as_float16},
      {.key = "full_determinism", .why = "not available in this version", .neutral = {false}},
      {"data_seed", "", "one seed drives the adapter's start, the order of rows and dropout"},
      {.key = "neftune_noise_alpha",
       .why = "NEFTune is not available in this version",
       .neutral = {0, 0.0}},
      {.key = "label_smoothing_factor",
       .why = "label smoothing is not available in this version",
       .neutral = {0, 0.0}},
      {.key = "logging_nan_inf_filter",
       .why = "a loss that is not finite is never hidden: it stops the run",
       .neutral = {false}},
      {.key = "group_by_length",
       .why = "rows are never padded, so nothing is gained by it",
       .neutral = {false}},
      {.key = "deepspeed", .why = kOneDevice},
      {.key = "fsdp", .why = kOneDevice, .neutral = {"", Json::array()}},
      {.key = "load_best_model_at_end",
       .why = "the best checkpoint is kept; the adapter at the end is the last one",
       .neutral = {false}},
      {.key = "overwrite_output_dir",
       .why = "give --overwrite to `peft train`",
       .neutral = {false}},
      {.key = "load_in_4bit", .why = kNoQuantisedBases, .neutral = {false}},
      {.key = "load_in_8bit", .why = kNoQuantisedBases, .neutral = {false}},
  };
}

std::vector<std::string> training_argument_ignored() {
  return {"do_train",
          "do_eval",
          "do_predict",
          "evaluation_strategy",
          "eval_strategy",
          "eval_steps",
          "save_strategy",
          "save_steps",
          "logging_strategy",
          "logging_dir",
          "logging_first_step",
          "run_name",
          "per_device_eval_batch_size",
          "eval_accumulation_steps",
          "eval_on_start",
          "greater_is_better",
          "save_safetensors",
          "save_only_model",
          "dataloader_*",
          "remove_unused_columns",
          "push_to_hub",
          "hub_*",
          "ddp_*",
          "disable_tqdm",
          "tf32",
          "torch_compile",
          "torch_compile_*",
          "use_cpu",
          "local_rank",
          "log_level",
          "include_num_input_tokens_seen",
          "include_tokens_per_second",
          "trust_remote_code",
          "gradient_checkpointing_kwargs.*",
          "use_liger_kernel",
          "bf16_full_eval",
          "attn_implementation",
          "lr_scheduler_kwargs.num_cycles",
          "average_tokens_across_devices",
          "prediction_loss_only",
          "skip_memory_metrics"};
}

std::vector<MigrationDefault> training_argument_defaults() {
  return {{"training.num_train_epochs", 3, {"training.max_steps"}},
          {"training.per_device_train_batch_size", 8},
          {"training.gradient_accumulation_steps", 1},
          {"training.learning_rate", 5e-5},
          {"training.lr_scheduler_type", "linear"},
          {"training.warmup_steps", 0, {"training.warmup_ratio"}},
          {"training.save_steps", 500},
          {"training.save_total_limit", 0},
          {"training.logging_steps", 500}};
}

/// "no", "steps" or "epoch".
void finish_strategies(MigrationWork& work) {
  const ForeignConfig& theirs = work.theirs();
  const ForeignKey* strategy = theirs.find("eval_strategy");
  strategy = strategy != nullptr ? strategy : theirs.find("evaluation_strategy");
  const Json evaluation = strategy == nullptr ? Json("no") : strategy->value;
  const bool held_out = work.has("data.eval") || work.has("data.eval_split_ratio");
  if (evaluation == "steps") {
    const Json steps = theirs.value("eval_steps", theirs.value("logging_steps", 500));
    work.set("training.eval_steps",
             steps.is_number() && steps.get<double>() >= 1.0 ? steps : Json(500));
  } else if (held_out && evaluation != "epoch") {
    work.set("training.eval_steps", 0);
  }
  const Json saving = theirs.value("save_strategy", "steps");
  const ForeignKey* const steps = theirs.find("save_steps");
  if (saving == "no") {
    work.set("training.save_steps", 0);
  } else if (saving == "epoch" || saving == "best") {
    work.set("training.save_steps", "auto");
    work.changed(*theirs.find("save_strategy"),
                 "training.save_steps \"auto\": by time, about every 15 minutes");
  } else if (steps != nullptr && number_or(steps->value, 0.0) >= 1.0) {
    work.set("training.save_steps", static_cast<int64_t>(number_or(steps->value, 0.0)));
  } else if (steps != nullptr) {
    work.set("training.save_steps", "auto");
    work.changed(*steps, "training.save_steps \"auto\": a share of the run is not available");
  }
}

}  // namespace peft
