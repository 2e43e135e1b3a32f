#pragma once

#include <span>

#include "peft/data/sampler.h"
#include "peft/training/guards.h"
#include "peft/training/progress.h"
#include "peft/training/train_options.h"
#include "peft/training/train_state.h"

namespace peft {

/// One optimizer step: forward, backward and update, with the guards that belong to it. Borrows all
/// but the schedule.
class StepRunner {
 public:
  StepRunner(CausalLM& model, Adapter& adapter, std::span<const Example> examples,
             const TrainOptions& options, const Schedule& schedule, at::Device device);

  /// Runs the step that `state` stands before and fills the record's loss, rate, norm and counts.
  /// Returns the tokens it read; the state's counts of skipped steps, updates and parts follow, its
  /// step does not. A signal ends it between two micro-batches with the adapter untouched. Throws
  /// Stopped, Interrupted, NumericError, or MemoryError when one row alone is too large.
  int64_t run(const PlannedStep& planned, TrainState& state, StepRecord& record);

  /// Forward and backward of the largest of these micro-batches, and no update: memory's peak comes
  /// before the first step and not in the middle of the night.
  void rehearse(const Groups& planned, TrainState& state);

  Optimizer& optimizer() { return optimizer_; }

 private:
  int64_t gradients_of(const Groups& planned, TrainState& state);
  int64_t accumulate(const Groups& micro_batches, int64_t step);
  void take_smaller_parts(const Groups& parts, const std::string& reason, TrainState& state);
  void update(const Groups& planned, TrainState& state);
  void skip_update(TrainState& state);
  void apply();

  CausalLM& model_;
  Adapter& adapter_;
  std::span<const Example> examples_;
  const TrainOptions& options_;
  Schedule schedule_;
  at::Device device_;
  Optimizer optimizer_;
  GradientGate gate_;
  StepRecord record_;  // of the step at hand
};

}  // namespace peft
