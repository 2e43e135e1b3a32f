#include "peft/methods/rank_budget.h"

namespace peft {

int64_t RankBudget::at(int64_t step) const {
  if (step <= warmup) {
    return initial;
  }
  if (is_fixed(step)) {
    return target;
  }
  const double left = 1.0 - static_cast<double>(step - warmup) /
                                static_cast<double>(total_steps - cooldown - warmup);
  return static_cast<int64_t>(static_cast<double>(initial - target) * (left * left * left) +
                              static_cast<double>(target));
}

bool RankBudget::cuts(int64_t step) const {
  return is_settling(step) || (step > warmup && !is_fixed(step) && step % interval == 0);
}

}  // namespace peft
