#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <string>

namespace peft {

/// Prepares this process for computing, once: loads the CUDA plug-in first of all when a GPU is
/// wanted (LibTorch looks for CUDA once and never again), then sets threads and allocator.
/// `choice`: auto, cpu, cuda or cuda:N. Throws UsageError when a GPU is asked for and there is
/// none.
at::Device start_engine(const std::string& choice, int64_t threads);

/// "CPU (2 threads, AVX2)" or the GPU's name: what benchmarks and reports print.
std::string device_description(at::Device device);

}  // namespace peft
