#pragma once

#include <cstdint>
#include <string>

namespace peft {

/// The learning rate as a pure function of the step: linear warm-up from 0, then constant, linear
/// or cosine decay to `floor` times the peak. As transformers' schedules of the same names.
struct Schedule {
  std::string type = "cosine";  ///< constant, linear, cosine
  double peak = 1e-4;
  double floor = 0.0;  ///< share of the peak that the decay ends at
  int64_t warmup_steps = 0;
  int64_t total_steps = 1;

  /// Rate of a step's update; steps count from 0.
  double rate(int64_t step) const;
};

}  // namespace peft
