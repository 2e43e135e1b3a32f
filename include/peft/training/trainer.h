#pragma once

#include <functional>
#include <span>

#include "peft/data/dataset.h"
#include "peft/data/sampler.h"
#include "peft/evaluation/evaluator.h"
#include "peft/methods/adapter.h"
#include "peft/training/checkpoint_keeper.h"
#include "peft/training/progress.h"
#include "peft/training/train_options.h"

namespace peft {

/// Who is told what happens. Empty functions are not called.
struct TrainCallbacks {
  std::function<void(const StepRecord&)> on_step;
  std::function<void(int64_t step, const Evaluation&)> on_evaluation;
};

/// Totals of a run, over all the processes that took part in it.
struct TrainSummary {
  int64_t steps = 0;
  int64_t tokens = 0;
  int64_t scored_tokens = 0;
  int64_t updates = 0;        ///< steps that changed the adapter
  int64_t skipped_steps = 0;  ///< with a loss or gradient that was not finite
  Selection selection;
  bool stopped_early = false;
  double seconds = 0.0;
};

/// Trains the adapter: the run's straight line from a planned step to the optimizer's update.
/// `held_out` may be empty. With a keeper the run starts where its checkpoint ends, and leaves one
/// at its end. A signal ends it between two micro-steps: the state of the last whole step is saved,
/// then Stopped or Interrupted is thrown. Throws NumericError after three steps in a row that are
/// not finite, for a tensor that gets no gradient, and for loss spikes by policy; MemoryError when
/// one row alone is too large.
TrainSummary train(CausalLM& model, Adapter& adapter, std::span<const Example> examples,
                   std::span<const Example> held_out, BatchPlan& plan, const TrainOptions& options,
                   at::Device device, const TrainCallbacks& callbacks,
                   CheckpointKeeper* keeper = nullptr);

}  // namespace peft
