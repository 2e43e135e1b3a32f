#include "peft/nn/embedding.h"

#include <ATen/ATen.h>

namespace peft {

Embedding::Embedding(int64_t rows, int64_t width, const at::TensorOptions& options)
    : weight_(register_parameter("weight", at::empty({rows, width}, options),
                                 /*requires_grad=*/false)),
      dtype_(weight_.scalar_type()) {}

Tensor Embedding::base(const Tensor& ids) const {
  return at::embedding(weight_, ids).to(dtype_);
}

}  // namespace peft
