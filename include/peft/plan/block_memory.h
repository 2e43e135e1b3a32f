#pragma once

#include "peft/plan/memory_plan.h"

namespace peft {

/// Bytes of a float32, which is what trains.
inline constexpr int64_t kFloat = 4;

/// Bytes per token of one block in training.
struct BlockMemory {
  int64_t kept = 0;      ///< saved by the forward for the backward
  int64_t backward = 0;  ///< most that the backward needs beside everything that is kept
  bool flows = false;    ///< the block's output needs a gradient
};

/// Follows a block from its input to its output. `flows`: its input needs a gradient; below the
/// lowest adapted projection nothing does, and nothing is kept.
BlockMemory block_memory(const ModelSizes& model, const AdapterSizes& adapter, const RunShape& run,
                         int64_t layer, bool flows);

}  // namespace peft
