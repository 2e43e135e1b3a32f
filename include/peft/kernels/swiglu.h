#pragma once

#include "peft/kernels/tensor.h"

namespace peft {

/// silu(gate) * up, elementwise on equal shapes (Shazeer 2020, eq. 6). Float32 is one pass each
/// way; the backward recomputes silu(gate) and saves only the inputs.
Tensor swiglu(const Tensor& gate, const Tensor& up);

/// The same in plain ATen operators, differentiable by autograd.
Tensor swiglu_reference(const Tensor& gate, const Tensor& up);

}  // namespace peft
