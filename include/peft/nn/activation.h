#pragma once

#include <string>

#include "peft/kernels/tensor.h"

namespace peft {

/// An elementwise activation by its Hugging Face name.
using Activation = Tensor (*)(const Tensor& x);

/// "gelu", "gelu_new", "gelu_pytorch_tanh", "quick_gelu", "silu", "swish", "relu". Throws
/// ModelError for a name we do not know, with `where` in front.
Activation activation(const std::string& name, const std::string& where);

/// f(gate) * up, elementwise on equal shapes; fused where f is silu.
Tensor gated(Activation f, const Tensor& gate, const Tensor& up);

}  // namespace peft
