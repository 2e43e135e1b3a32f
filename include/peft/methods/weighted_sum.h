#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "peft/config/combinations.h"
#include "peft/methods/lora_file.h"

namespace peft {

/// How several LoRA adapters become one.
struct SumOptions {
  Combination combination;
  std::vector<double> weights;  ///< one per adapter, of either sign
  double density = 1.0;         ///< share of the numbers that pruning keeps
  bool counts_signs = false;    ///< a sign is elected by votes, not by the sum of the values
  uint64_t seed = 0;            ///< of DARE's choice
  int64_t rank = 0;             ///< of what is brought back to a rank; 0: the largest given
};

/// One adapter from several, with the tensors that Hugging Face PEFT's `add_weighted_adapter` gives
/// right after `torch.manual_seed(seed)`. A module that only some adapters have is made of those.
/// One adapter is always combined by "linear", as there. Throws UsageError where PEFT raises, and
/// for what PEFT leaves out without a word: DoRA, biases, whole modules, token rows, starts taken
/// from the base.
LoraFile weighted_sum(const std::vector<LoraFile>& adapters, const std::vector<std::string>& names,
                      const SumOptions& options);

/// How far the result's updates are from the weighted sums of the adapters', relative to these:
/// one number per update.
std::vector<double> distances_from_sum(const LoraFile& result,
                                       const std::vector<LoraFile>& adapters,
                                       const std::vector<double>& weights);

}  // namespace peft
