#pragma once

#include <ATen/core/Tensor.h>

namespace peft {

using at::Tensor;

}  // namespace peft
