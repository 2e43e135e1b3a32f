#include "peft/kernels/cuda_table.h"

#include "peft/util/error.h"

namespace peft {
namespace {

const CudaTable*& slot() {
  static const CudaTable* table = nullptr;
  return table;
}

}  // namespace

const CudaTable* cuda_table() {
  return slot();
}

void set_cuda_table(const CudaTable* table) {
  if (table != nullptr) {
    check<UsageError>(table->version == CudaTable::kVersion,
                      "libpeft_cuda.so: expected interface version {}, found {}; build both "
                      "libraries from one source",
                      CudaTable::kVersion, table->version);
  }
  slot() = table;
}

}  // namespace peft
