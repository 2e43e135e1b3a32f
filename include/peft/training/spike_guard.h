#pragma once

#include <cstdint>
#include <vector>

#include "peft/util/json.h"

namespace peft {

/// Watches the loss for jumps: far above the median of the last steps, measured in median absolute
/// deviations (MAD).
class SpikeGuard {
 public:
  /// Takes a step's loss and returns how many steps in a row have jumped, this one included. Quiet
  /// until the window holds enough steps to know what is usual.
  int64_t add(double loss);

  /// The usual loss, as the last `add` saw it.
  double median() const { return median_; }

  Json to_json() const;
  static SpikeGuard from_json(const Json& json, const std::string& where);

 private:
  std::vector<double> losses_;  // the last ones, oldest first
  int64_t in_a_row_ = 0;
  double median_ = 0.0;
};

}  // namespace peft
