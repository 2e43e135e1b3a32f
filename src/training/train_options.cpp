#include "peft/training/train_options.h"

namespace peft {
namespace {

/// A value that may still be "auto" or null.
std::optional<int64_t> settled(const Json& training, const char* key) {
  const auto found = training.find(key);
  if (found == training.end() || !found->is_number_integer()) {
    return std::nullopt;
  }
  return found->get<int64_t>();
}

}  // namespace

TrainOptions train_options(const Json& training, const BatchSettings& batch) {
  TrainOptions options;
  options.batch_size = batch.batch_size;
  options.accumulation = batch.accumulation;
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
