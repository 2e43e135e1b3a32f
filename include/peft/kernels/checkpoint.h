#pragma once

#include <functional>

#include "peft/kernels/tensor.h"

namespace peft {

/// function(x), keeping for the backward x alone: there the function is computed again (Chen et al.
/// 2016, "Training deep nets with sublinear memory cost"). Tensors that the function uses besides x
/// and that need a gradient must be leaves; they get it as always. The function must give the same
/// both times, so its randomness must not depend on a generator's state.
Tensor checkpointed(const std::function<Tensor(const Tensor&)>& function, const Tensor& x);

}  // namespace peft
