#include "peft/training/train_options.h"

#include <algorithm>

namespace peft {
namespace {

constexpr int64_t kBatchTokens = 4096;  // an automatic micro-batch holds at most so many
constexpr int64_t kRowsPerStep = 16;    // an automatic accumulation reaches at least so many rows

/// A value that may still be "auto" or null.
std::optional<int64_t> settled(const Json& training, const char* key) {
  const auto found = training.find(key);
  if (found == training.end() || !found->is_number_integer()) {
    return std::nullopt;
  }
  return found->get<int64_t>();
}

void settle(Json& training, Json& origin, const char* key, int64_t value, std::string reason) {
  training[key] = value;
  origin[std::string("training.") + key] = "auto: " + std::move(reason);
}

}  // namespace

TrainOptions settle_train_options(Json& training, Json& origin, int64_t longest, int64_t examples) {
  TrainOptions options;
  const auto batch = settled(training, "per_device_train_batch_size");
  options.batch_size =
      batch.value_or(std::clamp(kBatchTokens / std::max<int64_t>(longest, 1), int64_t{1},
                                std::min<int64_t>(8, std::max<int64_t>(examples, 1))));
  if (!batch) {
    settle(training, origin, "per_device_train_batch_size", options.batch_size,
           fmt::format("rows of up to {} tokens, at most {} tokens", longest, kBatchTokens));
  }
  const auto accumulation = settled(training, "gradient_accumulation_steps");
  const auto global = settled(training, "global_batch_size");
  check<UsageError>(!global || *global % options.batch_size == 0,
                    "training.global_batch_size: {} is no multiple of "
                    "per_device_train_batch_size {}",
                    global.value_or(0), options.batch_size);
  options.accumulation =
      accumulation.value_or(global ? *global / options.batch_size
                                   : (kRowsPerStep + options.batch_size - 1) / options.batch_size);
  if (!accumulation) {
    settle(training, origin, "gradient_accumulation_steps", options.accumulation,
           global ? fmt::format("global_batch_size {}", *global)
                  : fmt::format("at least {} rows a step", kRowsPerStep));
  }
  if (training.at("num_train_epochs").is_number()) {
    options.epochs = training.at("num_train_epochs").get<double>();
  }
  options.max_steps = settled(training, "max_steps");
  options.optimizer = {
      training.at("optim").get<std::string>(), training.at("weight_decay").get<double>(),
      training.at("adam_beta1").get<double>(), training.at("adam_beta2").get<double>(),
      training.at("adam_epsilon").get<double>()};
  if (training.at("loraplus_lr_ratio").is_number()) {
    options.optimizer.loraplus_ratio = training.at("loraplus_lr_ratio").get<double>();
    options.optimizer.loraplus_embedding_share =
        training.at("loraplus_lr_embedding").get<double>() /
        training.at("learning_rate").get<double>();
  }
  options.schedule.type = training.at("lr_scheduler_type").get<std::string>();
  options.schedule.peak = training.at("learning_rate").get<double>();
  options.schedule.floor = training.at("min_lr_ratio").get<double>();
  options.warmup_steps = settled(training, "warmup_steps");
  if (training.at("warmup_ratio").is_number()) {
    options.warmup_ratio = training.at("warmup_ratio").get<double>();
  }
  options.max_grad_norm = training.at("max_grad_norm").get<double>();
  options.seed = training.at("seed").get<uint64_t>();
  options.logging_steps = training.at("logging_steps").get<int64_t>();
  options.eval_steps = settled(training, "eval_steps");
  options.metric = training.at("metric_for_best_model").get<std::string>();
  options.patience = settled(training, "early_stopping_patience");
  options.spike_policy = training.at("loss_spike_policy").get<std::string>();
  return options;
}

}  // namespace peft
