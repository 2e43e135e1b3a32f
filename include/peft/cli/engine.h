#pragma once

#include <string>

#include "peft/cli/requests.h"

namespace peft {

/// Loads libpeft_engine.so from the folder of this program and runs one command in it; returns its
/// exit code. The engine prints its own results and errors. Throws IoError when it cannot be
/// loaded.
int run_engine(const std::string& command, const Request& request);

}  // namespace peft
