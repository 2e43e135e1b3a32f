#pragma once

#include <ATen/core/Generator.h>

#include <vector>

#include "peft/config/combinations.h"
#include "peft/kernels/tensor.h"

namespace peft {

/// Rules for tensors of one shape that are to become one.
struct TaskRules {
  Pruning pruning = Pruning::kNone;
  double density = 1.0;       ///< share of the numbers kept; 1: all
  bool elects_signs = false;  ///< by the sum of the values, or
  bool counts_signs = false;  ///< by the number of adapters with each sign
};

/// The weighted sum of the tensors after pruning each (Ilharco et al. 2023, section 2; DARE: Yu et
/// al. 2024, equation 5), or, with elected signs, the mean over those that agree (TIES: Yadav et
/// al. 2023, section 4). weights: (n) float32. Random choices are made tensor by tensor from
/// `generator`.
Tensor combined(const std::vector<Tensor>& tensors, const Tensor& weights, const TaskRules& rules,
                at::Generator& generator);

}  // namespace peft
