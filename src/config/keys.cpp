#include "peft/config/keys.h"

#include <fmt/format.h>

#include <map>

#include "peft/config/methods.h"
#include "peft/util/text.h"

namespace peft {
namespace {

using enum ValueType;

const std::vector<Key>& model_keys() {
  static const std::vector<Key> keys = {
      {.name = "name_or_path",
       .types = {kString},
       .fallback = std::nullopt,
       .aliases = {{"model_name_or_path"},
                   {"base_model"},
                   {"checkpointer.checkpoint_dir"},
                   {"model.name"}},
       .summary = "folder of the base model, in Hugging Face's layout"},
      {.name = "dtype",
       .types = {kString},
       .fallback = "auto",
       .choices = {"auto", "float32", "bfloat16", "float16"},
       .synonyms = {{"fp32", "float32"}, {"bf16", "bfloat16"}, {"fp16", "float16"}},
       .aliases = {{"torch_dtype"},
                   {"bf16", {{true, "bfloat16"}, {false, nullptr}}},
                   {"fp16", {{true, "float16"}, {false, nullptr}}}},
       .summary = "type to compute in; auto: the fastest of the processor that loses nothing"},
      {.name = "quantization",
       .types = {kString},
       .fallback = nullptr,
       .aliases = {{"load_in_4bit"},
                   {"load_in_8bit"},
                   {"quantization_bit"},
                   {"quant_method"},
                   {"quant_bits"}},
       .support = Support::kNeutral,
       .missing = "quantised models are not available in this version",
       .neutral = {false}},
      {.name = "attn_implementation",
       .types = {kString},
       .fallback = "auto",
       .aliases = {{"flash_attn"}, {"attn_impl"}},
       .support = Support::kNeutral,
       .missing = "the kernel is chosen automatically",
       .neutral = {"auto"}},
      {.name = "allow_pickle",
       .types = {kBool},
       .fallback = false,
       .summary = "read pytorch_model.bin, as tensors alone, where the folder has no safetensors"},
  };
  return keys;
}

const std::vector<Key>& data_keys() {
  static const std::vector<Key> keys = {
      {.name = "train",
       .types = {kSources},
       .fallback = std::nullopt,
       .aliases = {{"dataset_name"}, {"datasets"}, {"dataset"}, {"dataset.source"}, {"data_files"}},
       .summary = "training rows: a file (.jsonl, .json, .csv, .tsv, .txt, .parquet), a folder or "
                  "a pattern "
                  "of such, {path, weight, limit}, or a list of these"},
      {.name = "eval",
       .types = {kSources},
       .fallback = nullptr,
       .aliases = {{"test_datasets"}, {"eval_dataset"}, {"dataset_val"}, {"val_dataset"}},
       .summary = "held-out rows, in the same shapes",
       .automatic = "none"},
      {.name = "eval_split_ratio",
       .types = {kNumber},
       .fallback = 0.0,
       .least = 0.0,
       .most = 0.9,
       .aliases = {{"val_set_size"}, {"val_size"}, {"split_dataset_ratio"}},
       .summary = "share of the training rows held out, drawn with the seed"},
      {.name = "format",
       .types = {kString},
       .fallback = "auto",
       .choices = {"auto", "text", "pair", "instruct", "chat", "segments", "classification",
                   "tokens"},
       .synonyms = {{"alpaca", "instruct"}, {"sharegpt", "chat"}, {"input_output", "segments"}},
       .aliases = {{"formatting"}},
       .summary = "shape of a row; auto: from the first row's keys, and said aloud"},
      {.name = "columns",
       .types = {kColumns},
       .fallback = Json::object(),
       .aliases = {{"dataset_text_field", {}, "text"},
                   {"field_messages", {}, "messages"},
                   {"text_feature", {}, "text"},
                   {"prompt_feature", {}, "prompt"},
                   {"completion_feature", {}, "completion"},
                   {"chat_feature", {}, "messages"},
                   {"message_property_mappings"},
                   {"column_map"},
                   {"dataset.column_map"}},
       .summary = "our name of a row's key: the file's name of it"},
      {.name = "chat_template",
       .types = {kString},
       .fallback = "tokenizer",
       .synonyms = {{"tokenizer_default", "tokenizer"}},
       .aliases = {{"chat_template_path"}, {"template"}},
       .summary = "tokenizer (the checkpoint's own), chatml, or a Jinja file"},
      {.name = "train_on",
       .types = {kString},
       .fallback = "assistant",
       .choices = {"assistant", "last_assistant", "completion", "all"},
       .aliases = {{"assistant_only_loss", {{true, "assistant"}, {false, "all"}}},
                   {"mask_history", {{true, "last_assistant"}, {false, "assistant"}}},
                   {"loss_scale",
                    {{"default", "assistant"}, {"last_round", "last_assistant"}, {"all", "all"}}}},
       .summary = "tokens that are scored"},
      {.name = "train_on_eos",
       .types = {kBool},
       .fallback = true,
       .aliases = {{"train_on_eot"}},
       .summary = "score the token that ends an answer"},
      {.name = "special_in_text",
       .types = {kString},
       .fallback = "parse",
       .choices = {"parse", "plain", "error"},
       .summary =
           "a special token spelled out in a row's own text: parse (it becomes that token, as "
           "in transformers, and the rows are counted), plain (it is text like any other; what "
           "the chat template writes stays a token) or error"},
      {.name = "text_split",
       .types = {kString},
       .fallback = "blank_line",
       .choices = {"blank_line", "line", "none"},
       .summary = "rows of a .txt file: its paragraphs, its lines, or the whole file"},
      {.name = "skip_bad",
       .types = {kNumber},
       .fallback = 0.0,
       .least = 0.0,
       .most = 0.99,
       .summary = "share of rows that may break their shape; they are passed over, counted and "
                  "listed"},
      {.name = "max_length",
       .types = {kInt},
       .fallback = 2048,
       .least = 2,
       .most = 1 << 24,
       .aliases = {{"sequence_len"},
                   {"cutoff_len"},
                   {"max_seq_length"},
                   {"max_seq_len"},
                   {"tokenizer.max_seq_len"}},
       .summary = "tokens of a row that are kept; the default is clamped to the model's positions"},
      {.name = "overflow",
       .types = {kString},
       .fallback = "truncate",
       .choices = {"truncate", "drop", "split", "error"},
       .aliases = {{"truncation_mode", {{"keep_start", "truncate"}}},
                   {"excess_length_strategy", {{"raise", "error"}}},
                   {"truncation_strategy",
                    {{"delete", "drop"}, {"right", "truncate"}, {"raise", "error"}}}},
       .summary =
           "what happens to a longer row: its start is kept, it is left out, cut into pieces "
           "(text only), or refused"},
      {.name = "packing",
       .types = {kString},
       .fallback = "none",
       .choices = {"none", "bfd"},
       .synonyms = {{true, "bfd"}, {false, "none"}},
       .aliases = {{"packing_strategy"}, {"sample_packing"}, {"neat_packing"}, {"dataset.packed"}},
       .summary = "how rows are grouped: none takes a number of rows, bfd (best-fit decreasing) "
                  "fills max_length tokens with whole rows; rows never see each other"},
      {.name = "cache",
       .types = {kString},
       .fallback = "auto",
       .aliases = {{"dataset_prepared_path"}, {"tokenized_path"}},
       .summary = "where tokenised rows are kept: auto ($PEFT_CACHE_DIR, $XDG_CACHE_HOME/peft or "
                  "~/.cache/peft, for 32 MB of rows and more), off, or a folder"},
      {.name = "shuffle",
       .types = {kBool},
       .fallback = true,
       .aliases = {{"dataset.shuffle"}},
       .summary = "a new seeded order in every epoch; false: file order"},
  };
  return keys;
}

const std::vector<Key>& schedule_keys() {
  static const std::vector<Key> keys = {
      {.name = "output_dir",
       .types = {kString},
       .fallback = std::nullopt,
       .aliases = {{"adapter_path"}},
       .summary = "folder of the adapter, the logs and the report"},
      {.name = "num_train_epochs",
       .types = {kNumber},
       .fallback = 1,
       .least = 0.0,
       .most = 1e6,
       .above_least = true,
       .minus_one_is_absent = true,
       .aliases = {{"num_epochs"}, {"epochs"}},
       .summary = "passes over the training rows"},
      {.name = "max_steps",
       .types = {kInt},
       .fallback = nullptr,
       .least = 1,
       .most = 1e12,
       .minus_one_is_absent = true,
       .summary = "optimizer steps",
       .automatic = "from num_train_epochs"},
      {.name = "per_device_train_batch_size",
       .types = {kInt, kString},
       .fallback = "auto",
       .choices = {"auto"},
       .least = 1,
       .most = 1 << 20,
       .aliases = {{"micro_batch_size"}},
       .summary = "rows of one forward pass; with packing bfd, packs of max_length tokens"},
      {.name = "gradient_accumulation_steps",
       .types = {kInt, kString},
       .fallback = "auto",
       .choices = {"auto"},
       .least = 1,
       .most = 1 << 20,
       .minus_one_is_absent = true,
       .aliases = {{"grad_accumulation_steps"}},
       .summary = "forward passes of one optimizer step; auto: at least 16 rows together"},
      {.name = "global_batch_size",
       .types = {kInt},
       .fallback = nullptr,
       .least = 1,
       .most = 1 << 24,
       .minus_one_is_absent = true,
       .summary = "rows of one optimizer step",
       .automatic = "rows x accumulation"},
      {.name = "learning_rate",
       .types = {kNumber},
       .fallback = nullptr,
       .least = 0.0,
       .most = 1e6,
       .above_least = true,
       .synonyms = {{"auto", nullptr}},
       .aliases = {{"lr"}, {"optimizer.lr"}},
       .summary = "peak learning rate",
       .automatic = "the method's: `peft methods`"},
      {.name = "lr_scheduler_type",
       .types = {kString},
       .fallback = "cosine",
       .choices = {"constant", "linear", "cosine"},
       .synonyms = {{"constant_with_warmup", "constant"}},
       .aliases = {{"lr_scheduler"}},
       .summary = "course of the learning rate after the warm-up"},
      {.name = "warmup_ratio",
       .types = {kNumber},
       .fallback = 0.03,
       .least = 0.0,
       .most = 1.0,
       .minus_one_is_absent = true,
       .summary = "share of the steps in which the learning rate rises from 0"},
      {.name = "warmup_steps",
       .types = {kInt},
       .fallback = nullptr,
       .least = 0,
       .most = 1e12,
       .minus_one_is_absent = true,
       .aliases = {{"num_warmup_steps"}, {"lr_scheduler.num_warmup_steps"}, {"lr_schedule.warmup"}},
       .summary = "the same as a number of steps",
       .automatic = "from warmup_ratio"},
      {.name = "min_lr_ratio",
       .types = {kNumber},
       .fallback = 0.0,
       .least = 0.0,
       .most = 1.0,
       .aliases = {{"cosine_min_lr_ratio"}},
       .summary = "floor of linear and cosine, as a share of the peak"},
  };
  return keys;
}

const std::vector<Key>& optimizer_keys() {
  static const std::vector<Key> keys = {
      {.name = "optim",
       .types = {kString},
       .fallback = "adamw",
       .choices = {"adamw", "sgd"},
       .synonyms = {{"adamw_torch", "adamw"}, {"adamw_torch_fused", "adamw"}},
       .aliases = {{"optimizer"}},
       .summary = "adamw (decoupled decay), or sgd without momentum"},
      {.name = "weight_decay",
       .types = {kNumber},
       .fallback = 0.0,
       .least = 0.0,
       .most = 1e3,
       .aliases = {{"optimizer.weight_decay"}},
       .summary = "decay of adapter tensors with two or more dimensions"},
      {.name = "adam_beta1",
       .types = {kNumber},
       .fallback = 0.9,
       .least = 0.0,
       .most = 0.999999,
       .summary = "AdamW: decay of the mean"},
      {.name = "adam_beta2",
       .types = {kNumber},
       .fallback = 0.999,
       .least = 0.0,
       .most = 0.999999999,
       .summary = "AdamW: decay of the square"},
      {.name = "adam_epsilon",
       .types = {kNumber},
       .fallback = 1e-8,
       .least = 0.0,
       .most = 1.0,
       .above_least = true,
       .summary = "AdamW: added to the root"},
      {.name = "max_grad_norm",
       .types = {kNumber},
       .fallback = 1.0,
       .least = 0.0,
       .aliases = {{"clip_grad_norm"}},
       .summary = "gradients are scaled down to this norm; 0: never"},
      {.name = "gradient_checkpointing",
       .types = {kBool, kString},
       .fallback = "auto",
       .choices = {"auto"},
       .aliases = {{"grad_checkpoint"}, {"enable_activation_checkpointing"}},
       .summary =
           "keep only the blocks' inputs and compute the blocks again in the backward; auto: "
           "when memory does not suffice otherwise"},
      {.name = "loraplus_lr_ratio",
       .types = {kNumber},
       .fallback = nullptr,
       .least = 1.0,
       .most = 1e6,
       .aliases = {{"lorap_lr_ratio"}},
       .summary = "LoRA+: B and vectors learn at so many times the rate of A; 16 is usual",
       .automatic = "all learn alike"},
      {.name = "loraplus_lr_embedding",
       .types = {kNumber},
       .fallback = 1e-6,
       .least = 0.0,
       .most = 1e3,
       .summary = "LoRA+: learning rate of LoRA on embeddings"},
      {.name = "seed",
       .types = {kInt},
       .fallback = 42,
       .least = 0,
       .most = 4294967295.0,
       .summary = "of the adapter's start, the order of rows and dropout"},
      {.name = "logging_steps",
       .types = {kInt},
       .fallback = 1,
       .least = 1,
       .most = 1e12,
       .aliases = {{"steps_per_report"}, {"log_every_n_steps"}},
       .summary = "steps between lines on the screen; train_log.jsonl has every step"},
      {.name = "report_to",
       .types = {kStringList},
       .fallback = Json::array({"jsonl", "csv", "tensorboard"}),
       .choices = {"jsonl", "csv", "tensorboard"},
       .synonyms = {{"all", Json::array({"jsonl", "csv", "tensorboard"})},
                    {"none", Json::array({"jsonl"})},
                    {Json::array(), Json::array({"jsonl"})},
                    {"jsonl", Json::array({"jsonl"})},
                    {"csv", Json::array({"jsonl", "csv"})},
                    {"tensorboard", Json::array({"jsonl", "tensorboard"})}},
       .aliases = {{"use_wandb", {{false, Json::array({"jsonl"})}}}, {"metric_logger"}},
       .summary = "forms of the log beside train_log.jsonl, which is always written",
       .missing = "other programs read these files"},
      {.name = "eval_steps",
       .types = {kInt},
       .fallback = nullptr,
       .least = 0,
       .most = 1e12,
       .aliases = {{"steps_per_eval"}, {"run_val_every_n_steps"}},
       .summary = "steps between evaluations; 0: never",
       .automatic = "after each epoch, if there are held-out rows"},
  };
  return keys;
}

const std::vector<Key>& checkpoint_keys() {
  static const std::vector<Key> keys = {
      {.name = "save_steps",
       .types = {kInt, kString},
       .fallback = "auto",
       .choices = {"auto"},
       .least = 0,
       .most = 1e12,
       .aliases = {{"save_every"}},
       .summary = "steps between checkpoints; 0: at the end and when a signal asks; auto: every 15 "
                  "minutes, or less often where that would take over 1 % of the time"},
      {.name = "save_total_limit",
       .types = {kInt},
       .fallback = 2,
       .least = 0,
       .most = 1e9,
       .summary = "checkpoints that are kept beside the best one, never fewer than two; 0: all"},
      {.name = "resume_from_checkpoint",
       .types = {kString},
       .fallback = "auto",
       .synonyms = {{true, "auto"}, {false, "never"}},
       .aliases = {{"resume_adapter_file"}, {"auto_resume_from_checkpoints"}},
       .summary = "auto: go on where this run stopped; never; or a checkpoint's folder"},
      {.name = "metric_for_best_model",
       .types = {kString},
       .fallback = "eval_loss",
       .choices = {"eval_loss", "eval_token_accuracy"},
       .synonyms = {{"loss", "eval_loss"}, {"eval_perplexity", "eval_loss"}},
       .summary = "figure of the held-out rows that tells the best checkpoint, which is kept"},
      {.name = "early_stopping_patience",
       .types = {kInt},
       .fallback = nullptr,
       .least = 1,
       .most = 1e9,
       .aliases = {{"early_stopping_steps"}, {"early_stop_interval"}},
       .summary = "evaluations without a better figure after which the run ends",
       .automatic = "it runs to its end"},
      {.name = "loss_spike_policy",
       .types = {kString},
       .fallback = "warn",
       .choices = {"warn", "stop", "rollback"},
       .summary = "what happens after three steps with a loss far above the usual: a warning, the "
                  "run's end, or going back to the last good checkpoint without those rows"},
  };
  return keys;
}

/// A key of other tools whose only accepted values ask for nothing.
Key unavailable(std::string name, Json fallback, std::vector<Json> neutral, std::string missing,
                std::vector<Alias> aliases = {}) {
  return {.name = std::move(name),
          .types = {},
          .fallback = std::move(fallback),
          .aliases = std::move(aliases),
          .support = Support::kNeutral,
          .missing = std::move(missing),
          .neutral = std::move(neutral)};
}

std::vector<Key> unavailable_training_keys() {
  return {
      unavailable("neftune_noise_alpha", nullptr, {0}, "NEFTune is not available in this version"),
      unavailable("label_smoothing_factor", 0.0, {0, 0.0},
                  "label smoothing is not available in this version"),
      unavailable("deterministic", false, {false}, "not available in this version",
                  {{"full_determinism"}}),
  };
}

const std::vector<Key>& training_keys() {
  static const std::vector<Key> keys = [] {
    std::vector<Key> all = schedule_keys();
    for (const auto& more : {optimizer_keys(), checkpoint_keys(), unavailable_training_keys()}) {
      all.insert(all.end(), more.begin(), more.end());
    }
    return all;
  }();
  return keys;
}

const std::vector<Key>& adapter_keys(std::string_view peft_type) {
  static const std::map<std::string, std::vector<Key>, std::less<>> tables = [] {
    std::map<std::string, std::vector<Key>, std::less<>> by_type;
    for (const Method& method : methods()) {
      std::vector<Key> keys = common_adapter_keys();
      keys.insert(keys.end(), method.keys.begin(), method.keys.end());
      by_type.emplace(method.peft_type, std::move(keys));
    }
    return by_type;
  }();
  return tables.find(peft_type)->second;
}

}  // namespace

std::string section_name(Section section) {
  switch (section) {
    case Section::kModel:
      return "model";
    case Section::kAdapter:
      return "adapter";
    case Section::kData:
      return "data";
    default:
      return "training";
  }
}

const std::vector<Key>& keys_of(Section section, std::string_view peft_type) {
  switch (section) {
    case Section::kModel:
      return model_keys();
    case Section::kAdapter:
      return adapter_keys(peft_type);
    case Section::kData:
      return data_keys();
    default:
      return training_keys();
  }
}

const std::vector<ExclusivePair>& exclusive_pairs() {
  static const std::vector<ExclusivePair> pairs = {
      {"training.warmup_ratio", "training.warmup_steps", nullptr},
      {"training.gradient_accumulation_steps", "training.global_batch_size", "auto"},
      {"training.num_train_epochs", "training.max_steps", nullptr},
      {"data.eval_split_ratio", "data.eval", 0.0},
  };
  return pairs;
}

}  // namespace peft
