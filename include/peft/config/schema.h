#pragma once

#include <string>

#include "peft/util/json.h"

namespace peft {

/// JSON Schema (2020-12) of run files with canonical names, for editors and for checking.
Json run_file_schema();

/// The reference page of all keys in Markdown: docs/config.md.
std::string config_reference();

}  // namespace peft
