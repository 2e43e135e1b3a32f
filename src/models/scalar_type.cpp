#include "peft/models/scalar_type.h"

#include "peft/util/error.h"

namespace peft {

at::ScalarType scalar_type(Dtype dtype, const std::string& where) {
  switch (dtype) {
    case Dtype::kF32:
      return at::kFloat;
    case Dtype::kBF16:
      return at::kBFloat16;
    case Dtype::kF16:
      return at::kHalf;
    case Dtype::kF64:
      return at::kDouble;
    default:
      fail<ModelError>("{}: expected F32, BF16 or F16, found {}", where, dtype_name(dtype));
  }
}

}  // namespace peft
