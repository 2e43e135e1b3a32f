#include "row_kernels.h"

namespace peft {
namespace {

bool processor_has_avx2() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
  return false;
#endif
}

}  // namespace

const RowKernels* row_kernels() {
  static const RowKernels* const chosen = processor_has_avx2() ? avx2_row_kernels() : nullptr;
  return chosen;
}

}  // namespace peft
