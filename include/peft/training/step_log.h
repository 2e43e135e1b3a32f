#pragma once

#include "peft/training/progress.h"
#include "peft/util/json.h"

namespace peft {

/// A line of steps.jsonl: what two equal runs have in common, bit for bit. Step, loss as a
/// hexadecimal float, learning rate, hash of the rows; no times.
Json exact_step_json(const StepRecord& record);

}  // namespace peft
