#pragma once

#include <string>

#include "peft/util/json.h"

namespace peft {

/// One `--set training.seed=7` or bare `training.seed=7`.
struct Override {
  std::string name;
  Json value;  ///< the text after '=' as JSON, or as a string if it is none
};

/// Splits at the first '='. Throws UsageError when there is none or the name is empty.
Override parse_override(const std::string& text);

}  // namespace peft
