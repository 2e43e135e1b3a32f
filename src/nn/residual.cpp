#include "peft/nn/residual.h"

#include <ATen/TensorOperators.h>

namespace peft {

Tensor Residual::add(const Tensor& x, const Tensor& branch) const {
  return hook ? hook->add(x, branch) : x + branch;
}

}  // namespace peft
