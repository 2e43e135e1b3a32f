#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "peft/plan/batch_settings.h"
#include "peft/training/optimizer.h"
#include "peft/training/schedule.h"
#include "peft/util/json.h"

namespace peft {

/// The `training` section of a resolved run, with every `auto` settled.
struct TrainOptions {
  double epochs = 1.0;
  std::optional<int64_t> max_steps;
  int64_t batch_size = 1;
  int64_t accumulation = 1;
  OptimizerOptions optimizer;
  Schedule schedule;  ///< total_steps and warm-up are set once the number of steps is known
  std::optional<int64_t> warmup_steps;
  double warmup_ratio = 0.0;
  double max_grad_norm = 0.0;  ///< 0: no clipping
  uint64_t seed = 42;
  int64_t logging_steps = 1;
  std::optional<int64_t> eval_steps;  ///< absent: at the end of each epoch
  std::string metric = "eval_loss";   ///< or eval_[token_]accuracy: what tells the best checkpoint
  std::optional<int64_t> patience;    ///< evaluations without a better figure; absent: no early end
  std::string spike_policy = "warn";  ///< warn, stop, rollback
  bool longest_first = false;         ///< run the largest micro-batch once before the first step
};

/// Reads the section of a resolved run whose batch is settled (plan_run).
TrainOptions train_options(const Json& training, const BatchSettings& batch);

}  // namespace peft
