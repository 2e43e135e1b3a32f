#pragma once

#include <c10/core/ScalarType.h>

#include <string>

#include "peft/io/safetensors.h"

namespace peft {

/// LibTorch's name of a file's element type. Throws ModelError with `where` in front for one that
/// weights do not have.
at::ScalarType scalar_type(Dtype dtype, const std::string& where);

}  // namespace peft
