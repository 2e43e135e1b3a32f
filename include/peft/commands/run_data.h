#pragma once

#include "peft/commands/open_model.h"

namespace peft {

/// The rows of a run.
struct RunData {
  Dataset train;
  std::vector<Example> held_out;
  Json report;  // of both, for run_report.json
};

/// Reads what the `data` section of a resolved config names. Throws DataError.
RunData read_data(const Json& config, const TextSide& text, const CausalLM& model);

}  // namespace peft
