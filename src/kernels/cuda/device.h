#pragma once

#include <cstdint>

#include "peft/kernels/cuda_table.h"

namespace peft {

// The entries of CudaTable that are not kernels.
GpuDriver cuda_driver();
GpuDevice cuda_device(int64_t index);
void cuda_select_device(int64_t index);
void cuda_copy_to_device(const Tensor& host, Tensor& destination);
GpuMemory cuda_memory(int64_t index);
void cuda_reset_peak_memory(int64_t index);

}  // namespace peft
