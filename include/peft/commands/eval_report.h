#pragma once

#include <string>

#include "peft/util/json.h"

namespace peft {

/// "loss>1.9": true if the condition holds of an evaluation, that is, if the command must fail. A
/// figure that is not finite meets no bound. Throws UsageError for a condition it cannot read.
bool holds(const std::string& condition, const Json& result);

/// Evaluations side by side on stdout, one column each: {"base": {"loss": ...}, ...}.
void print_table(const Json& columns);

}  // namespace peft
