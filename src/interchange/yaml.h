#pragma once

#include <string>

#include "peft/util/json.h"

namespace peft {

/// A YAML document as JSON. Plain words are typed as PyYAML types them (yes and off are booleans),
/// and "1e-4" is a number. Anchors and merge keys ("<<") are followed, up to a bound on the size of
/// the result. `positions` receives the place of every object member's key. Throws UsageError with
/// "where:line:column: message".
Json parse_yaml(const std::string& text, const std::string& where, JsonPositions* positions);

}  // namespace peft
