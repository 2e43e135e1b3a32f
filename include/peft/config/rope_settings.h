#pragma once

#include <cstdint>

#include "peft/util/json.h"

namespace peft {

/// A config's rope in one spelling, that of "rope_parameters": transformers 4 has "rope_theta",
/// "partial_rotary_factor" and "original_max_position_embeddings" beside a "rope_scaling", and
/// "type" for "rope_type".
Json rope_settings(const Json& config);

/// Tokens that a sequence may have under this rope: `positions` (max_position_embeddings), times
/// the factor for linear and dynamic scaling, whose configs leave that number as it was before
/// scaling; for yarn the original length times the factor if that is more.
int64_t scaled_positions(const Json& settings, int64_t positions);

}  // namespace peft
