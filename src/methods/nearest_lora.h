#pragma once

#include "peft/methods/to_lora.h"

namespace peft {

/// A complete config of a LORA with the targets, whole modules and base of another method's.
Json lora_config(const Json& config);

/// The change of every weight matrix (merged minus base) cut to its largest singular values.
/// Changed biases, norms and position tables are carried over whole.
LoraConversion nearest_lora(const StoredAdapter& stored, const HfDirectory& base, int64_t rank);

}  // namespace peft
