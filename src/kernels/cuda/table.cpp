#include "attention.h"
#include "device.h"
#include "peft/kernels/cuda_table.h"

/// The one symbol of libpeft_cuda.so. Loading the library must be the first thing the process does
/// with LibTorch: ATen looks for CUDA once.
extern "C" __attribute__((visibility("default"))) const peft::CudaTable* peft_cuda_table() {
  static constexpr peft::CudaTable kTable{
      .version = peft::CudaTable::kVersion,
      .attention_supported = peft::cuda_attention_supported,
      .attention_forward = peft::cuda_attention_forward,
      .attention_backward = peft::cuda_attention_backward,
      .driver = peft::cuda_driver,
      .device = peft::cuda_device,
      .select_device = peft::cuda_select_device,
      .copy_to_device = peft::cuda_copy_to_device,
      .memory = peft::cuda_memory,
      .reset_peak_memory = peft::cuda_reset_peak_memory,
  };
  return &kTable;
}
