#pragma once

#include <cstdint>
#include <string>

#include "peft/util/json.h"

namespace peft {

/// What a short run of the same config showed.
struct Calibration {
  int exit_code = 0;               ///< of the run; the rest holds when it is 0
  double tokens_per_second = 0.0;  ///< of the median step
  int64_t steps = 0;
};

/// Trains a few steps of a resolved config in a folder that is removed afterwards. Throws IoError.
Calibration calibrate(Json config, const Json& origin, int64_t total_steps,
                      const std::string& device, int64_t threads);

}  // namespace peft
