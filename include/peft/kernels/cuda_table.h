#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>

#include "peft/kernels/attention.h"
#include "peft/kernels/segments.h"
#include "peft/kernels/tensor.h"

namespace peft {

/// What the driver says about the GPUs of this machine.
struct GpuDriver {
  int64_t devices = 0;
  int version = 0;      ///< as cuDriverGetVersion: 13000 is CUDA 13.0
  std::string problem;  ///< why no GPU can be used; empty if one can
};

/// A device's name and memory, in bytes.
struct GpuDevice {
  std::string name;
  int major = 0;  ///< compute capability
  int minor = 0;
  size_t memory_total = 0;
  size_t memory_free = 0;
};

/// What the caching allocator holds and has held on one device, in bytes.
struct GpuMemory {
  int64_t allocated = 0;
  int64_t allocated_peak = 0;
  int64_t reserved = 0;
  int64_t reserved_peak = 0;
  int64_t out_of_memory = 0;  ///< failed allocations so far
};

/// What the CUDA plug-in (libpeft_cuda.so) gives the engine: plain functions on tensors, so that
/// the engine needs no CUDA header. `version` guards against a plug-in of another build.
struct CudaTable {
  static constexpr int kVersion = 1;
  int version = 0;

  /// Whether attention_forward takes these inputs (dtype, head size, options, device).
  bool (*attention_supported)(const Tensor& q, const Tensor& k, const AttentionOptions& options);
  /// (out (N, H, Dh), logsumexp, random state to hand to the backward).
  std::tuple<Tensor, Tensor, Tensor> (*attention_forward)(const Tensor& q, const Tensor& k,
                                                          const Tensor& v, const Segments& queries,
                                                          const Segments& keys,
                                                          const AttentionOptions& options);
  /// (dq, dk, dv) from the gradient of out and what the forward gave.
  std::tuple<Tensor, Tensor, Tensor> (*attention_backward)(
      const Tensor& grad, const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& out,
      const Tensor& logsumexp, const Tensor& random_state, const Segments& queries,
      const Segments& keys, const AttentionOptions& options);

  /// Asks the driver; safe without one. Must not be kept across a fork.
  GpuDriver (*driver)();
  GpuDevice (*device)(int64_t index);
  /// Makes `index` the current device of this thread and sets the process up for training: no cuDNN
  /// attention (wrong gradients in LibTorch 2.11), growing allocator segments.
  void (*select_device)(int64_t index);
  /// Copies a host tensor in pageable memory (a mapped file) into `destination` of the same dtype
  /// and size through two pinned buffers, so that reading and the bus overlap.
  void (*copy_to_device)(const Tensor& host, Tensor& destination);

  GpuMemory (*memory)(int64_t index);
  void (*reset_peak_memory)(int64_t index);
};

/// The plug-in's table, or nullptr where there is none.
const CudaTable* cuda_table();

/// Called once by whoever loaded the plug-in, before any kernel runs. A table of another version is
/// a UsageError.
void set_cuda_table(const CudaTable* table);

}  // namespace peft
