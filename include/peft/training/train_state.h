#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "peft/training/selection.h"
#include "peft/training/spike_guard.h"

namespace peft {

/// Everything of a run that is neither a tensor nor a function of the config and the step: what
/// trainer_state.json holds. Schedule, order of rows and dropout are such functions.
struct TrainState {
  int64_t step = 0;  ///< steps done
  int64_t tokens = 0;
  int64_t scored_tokens = 0;
  int64_t updates = 0;        ///< steps that changed the adapter
  int64_t skipped_steps = 0;  ///< with a loss or gradient that was not finite
  int64_t skipped_in_a_row = 0;
  int64_t parts = 1;  ///< a planned micro-batch is cut in so many, since memory ran out
  double seconds = 0.0;
  std::set<int64_t> left_out;  ///< steps (from 0) whose rows a rollback leaves out
  Selection selection;
  SpikeGuard spikes;
  std::map<std::string, int64_t> log_bytes;  ///< length of each log of the run
};

Json train_state_json(const TrainState& state);
/// Throws IntegrityError for anything missing: a part that is not there is never started afresh.
TrainState read_train_state(const Json& json, const std::string& where);

}  // namespace peft
