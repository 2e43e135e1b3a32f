#pragma once

#include <vector>

#include "peft/config/block_use.h"

namespace peft {

/// A projection that the adapter rides on.
struct PlannedTarget {
  PlannedLinear linear;
  int64_t rank = 0;        ///< 0: it has none
  int64_t parameters = 0;  ///< that train
};

/// An adapter on a model, by size.
struct AdapterSizes {
  std::vector<PlannedTarget> targets;
  std::vector<BlockUse> blocks;  ///< what it keeps of each block
  int64_t parameters = 0;
  int64_t in_place = 0;        ///< of these, a classification head's, which are the model's own
  int64_t virtual_tokens = 0;  ///< that a batch computes once, in front of its rows
  bool drops_inputs = false;   ///< its own dropout makes an input of its own for every target
};

/// Sizes under a resolved `adapter` section. Throws UsageError when no projection is selected.
AdapterSizes adapter_sizes(const ModelSizes& model, const Json& adapter);

}  // namespace peft
