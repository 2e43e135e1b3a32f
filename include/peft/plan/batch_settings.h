#pragma once

#include <cstdint>
#include <functional>

#include "peft/util/json.h"

namespace peft {

/// Rows of a forward pass, and forward passes of an optimizer step.
struct BatchSettings {
  int64_t batch_size = 1;
  int64_t accumulation = 1;
};

/// Settles `per_device_train_batch_size` and `gradient_accumulation_steps` of a `training` section.
/// "auto" takes up to 8 rows and 4,096 tokens by the longest row (`longest` tokens; `examples` rows
/// there are), halved until it `fits` in memory. What was chosen is written back into `training`
/// and `origin` with its reason. Throws UsageError when global_batch_size is no multiple.
BatchSettings settle_batch(Json& training, Json& origin, int64_t longest, int64_t examples,
                           const std::function<bool(int64_t batch_size)>& fits = {});

}  // namespace peft
