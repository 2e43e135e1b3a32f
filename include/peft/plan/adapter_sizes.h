#pragma once

#include <vector>

#include "peft/config/model_sizes.h"

namespace peft {

/// A projection that the adapter rides on.
struct PlannedTarget {
  PlannedLinear linear;
  int64_t rank = 0;        ///< numbers per token that the adapter's inner product keeps
  int64_t parameters = 0;  ///< that train
};

/// An adapter on a model, by size.
struct AdapterSizes {
  std::vector<PlannedTarget> targets;
  int64_t parameters = 0;
  bool drops_inputs = false;  ///< its own dropout makes an input of its own for every target
};

/// Sizes under a resolved `adapter` section. Throws UsageError when no projection is selected.
AdapterSizes adapter_sizes(const ModelSizes& model, const Json& adapter);

}  // namespace peft
