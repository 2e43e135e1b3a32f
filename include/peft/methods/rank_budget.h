#pragma once

#include <cstdint>

namespace peft {

/// AdaLoRA's budget of singular values over a run: all at first, then fewer by a cubic law, then
/// the target. Zhang et al. 2023, equation 12.
struct RankBudget {
  int64_t initial = 0;  ///< of all targets together
  int64_t target = 0;
  int64_t total_steps = 0;
  int64_t warmup = 0;    ///< tinit: steps before the budget falls
  int64_t cooldown = 0;  ///< tfinal: steps at the end with fixed ranks
  int64_t interval = 1;  ///< deltaT: steps between two cuts

  /// Values kept after `step` (from 1).
  int64_t at(int64_t step) const;
  /// Whether `step` cuts: every `interval` steps in between, and at the start of the last phase.
  bool cuts(int64_t step) const;
  bool is_settling(int64_t step) const { return step == total_steps - cooldown; }
  bool is_fixed(int64_t step) const { return step > total_steps - cooldown; }
};

}  // namespace peft
