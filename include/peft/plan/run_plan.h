#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "peft/data/dataset.h"
#include "peft/data/sampler.h"
#include "peft/plan/batch_settings.h"
#include "peft/plan/memory_plan.h"

namespace peft {

/// What a plan needs beside the run's config.
struct PlanInput {
  const HfDirectory& directory;
  const Dataset& train;
  const std::vector<Example>& held_out;
  bool on_gpu = false;
  int64_t available = 0;  ///< bytes that the run may take; 0: unknown, everything fits
};

/// One setting that would make a run fit, and what it costs.
struct Remedy {
  std::string key;  ///< "training.per_device_train_batch_size"
  Json value;
  int64_t total_bytes;  ///< then
  std::string cost;     ///< "about a third slower"
};

/// What a run is going to take.
struct RunPlan {
  MemoryPlan memory;
  RunShape shape;
  ModelSizes model;
  AdapterSizes adapter;
  BatchSettings batch;
  int64_t available = 0;
  int64_t steps = 0;
  int64_t steps_per_epoch = 0;
  int64_t tokens = 0;            ///< of all steps
  int64_t scored_tokens = 0;     ///< of these
  int64_t disk_bytes = 0;        ///< of the adapter and the logs
  std::vector<Remedy> remedies;  ///< empty when the run fits, or when nothing alone makes it fit

  /// Of model and adapter; a classification head, which trains in place, once.
  int64_t total_parameters() const {
    return model.parameters + adapter.parameters - adapter.in_place;
  }
  bool fits() const { return available == 0 || memory.total() <= available; }
};

/// How the rows of a resolved config are ordered and grouped.
SamplerOptions sampler_options(const Json& config, const BatchSettings& batch);

/// Settles what is "auto" about the batch in `config` (all four sections) and `origin`, and plans
/// the run. Throws UsageError.
RunPlan plan_run(Json& config, Json& origin, const PlanInput& input);

/// "needs 27.4 GB, 23.6 GB are free; fits with ...", one line.
std::string plan_line(const RunPlan& plan);

/// The plan as `peft plan --json` prints it and a run's report keeps it.
Json plan_json(const RunPlan& plan);

}  // namespace peft
