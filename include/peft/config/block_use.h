#pragma once

#include <cstdint>
#include <map>

#include "peft/config/model_sizes.h"

namespace peft {

/// What an adapter keeps of a projection for its backward.
struct TargetUse {
  bool input = true;    ///< the projection's input
  bool repeats = true;  ///< which is made again, not kept, where a cheap kernel made it
  int64_t numbers = 0;  ///< float32 numbers per token beside it
};

/// What an adapter keeps of a block for its backward, and where its gradients begin.
struct BlockUse {
  std::map<Place, TargetUse> targets{};
  bool below = false;     ///< something below the blocks trains
  bool norms = false;     ///< the block's norms train
  bool keys = false;      ///< a part of attention's keys and values trains
  int64_t attention = 0;  ///< float32 numbers per token kept behind attention; 0: nothing is there
  int64_t mlp = 0;        ///< the same behind or beside the MLP
};

}  // namespace peft
