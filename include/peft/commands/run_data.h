#pragma once

#include "peft/commands/open_model.h"
#include "peft/config/run_task.h"

namespace peft {

/// The rows of a run.
struct RunData {
  Dataset train;
  std::vector<Example> held_out;
  Json report;  // of both, for run_report.json
};

/// Reads what the `data` section of a resolved config names. Throws DataError.
RunData read_data(const Json& config, const RunTask& task, const TextSide& text,
                  int64_t vocabulary);

}  // namespace peft
