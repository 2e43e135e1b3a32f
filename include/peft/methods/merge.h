#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "peft/methods/adapter_io.h"
#include "peft/models/load.h"

namespace peft {

/// What was written.
struct MergedWeights {
  int64_t merged_tensors = 0;  ///< those that the adapter changed
  int64_t bytes = 0;
  bool untied = false;  ///< the head has a matrix of its own now
};

/// Writes the base's weights with the adapter folded in into the folder `out`, tensor by tensor:
/// memory holds two of them in float32 and a buffer, whatever the model's size. Float32 arithmetic
/// and one rounding to `dtype` (absent: to each tensor's own). Files of at most 5 GB, with an index
/// when there are several. `model` and `adapter` belong together; the model's own values are not
/// used. Throws UsageError for an adapter that cannot be merged or changes nothing.
MergedWeights write_merged_weights(const HfDirectory& base, const UnreadModel& model,
                                   const Adapter& adapter, std::optional<Dtype> dtype,
                                   const std::filesystem::path& out);

}  // namespace peft
