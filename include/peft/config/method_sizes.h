#pragma once

#include "peft/config/methods.h"

namespace peft {

/// What an adapter adds to a model, in numbers of tensors' elements.
struct MethodSizes {
  int64_t trainable = 0;
  int64_t stored = 0;  ///< in the adapter's file at the end
};

/// The projections that an adapter section selects; "all-linear" leaves the head out.
std::vector<PlannedLinear> planned_targets(const Method& method, const Json& adapter,
                                           const ModelSizes& model);

/// The adapter section as one target sees it: with its own rank under "r".
Json seen_by(const PlannedLinear& target, Json adapter);

/// Under a resolved adapter section. Zero where the method finds nothing to adapt.
MethodSizes method_sizes(const Method& method, const Json& adapter, const ModelSizes& model);

}  // namespace peft
