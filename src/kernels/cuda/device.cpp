#include "device.h"

#include <ATen/Context.h>
#include <ATen/cuda/CUDAEvent.h>
#include <ATen/ops/empty.h>
#include <c10/core/AllocatorConfig.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>
#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace peft {
namespace {

constexpr int kLeastDriver = 13000;  // what this LibTorch is built for
constexpr int64_t kStagingBytes = int64_t{32} << 20;

// The driver's own interface, reached by name so that nothing links it: it is part of the driver,
// not of the toolkit, and absent on machines without a GPU.
class DriverLibrary {
 public:
  DriverLibrary() : handle_(dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL)) {}

  bool is_there() const { return handle_ != nullptr; }

  // The result code, or -1 where the function is missing.
  template <class... Args>
  int call(const char* name, Args... args) const {
    using Function = int (*)(Args...);
    const auto function = reinterpret_cast<Function>(dlsym(handle_, name));
    return function != nullptr ? function(args...) : -1;
  }

 private:
  void* handle_;  // never closed: the driver keeps threads
};

c10::DeviceIndex index_of(int64_t index) {
  return static_cast<c10::DeviceIndex>(index);
}

struct StagingBuffer {
  Tensor bytes;
  at::cuda::CUDAEvent emptied;
};

}  // namespace

GpuDriver cuda_driver() {
  GpuDriver found;
  const DriverLibrary library;
  if (!library.is_there()) {
    found.problem = "no NVIDIA driver on this machine (libcuda.so.1 was not found)";
    return found;
  }
  if (const int code = library.call("cuInit", 0U); code != 0) {
    found.problem = fmt::format("the NVIDIA driver does not start (cuInit gave {})", code);
    return found;
  }
  int devices = 0;
  library.call("cuDeviceGetCount", &devices);
  library.call("cuDriverGetVersion", &found.version);
  found.devices = devices;
  if (devices == 0) {
    found.problem = "the NVIDIA driver counts no GPU";
  } else if (found.version < kLeastDriver) {
    found.problem = fmt::format(
        "the NVIDIA driver is too old: expected CUDA 13.0 or newer (driver 580), found CUDA {}.{}",
        found.version / 1000, found.version % 1000 / 10);
  }
  return found;
}

GpuDevice cuda_device(int64_t index) {
  const c10::cuda::CUDAGuard guard(index_of(index));
  cudaDeviceProp properties{};
  C10_CUDA_CHECK(cudaGetDeviceProperties(&properties, static_cast<int>(index)));
  GpuDevice device;
  device.name = properties.name;
  device.major = properties.major;
  device.minor = properties.minor;
  C10_CUDA_CHECK(cudaMemGetInfo(&device.memory_free, &device.memory_total));
  return device;
}

void cuda_select_device(int64_t index) {
  at::globalContext().setSDPUseCuDNN(false);
  c10::CachingAllocator::setAllocatorSettings("expandable_segments:True");
  c10::cuda::set_device(index_of(index));
}

void cuda_copy_to_device(const Tensor& host, Tensor& destination) {
  TORCH_INTERNAL_ASSERT(host.is_contiguous() && destination.is_contiguous() &&
                            host.scalar_type() == destination.scalar_type() &&
                            host.numel() == destination.numel(),
                        "staging copies between dense tensors of one dtype and size");
  const auto bytes = static_cast<int64_t>(host.nbytes());
  const c10::cuda::CUDAGuard guard(destination.device());
  const c10::cuda::CUDAStream stream = c10::cuda::getCurrentCUDAStream();
  const auto pinned = at::TensorOptions(at::kByte).pinned_memory(true);
  std::array<StagingBuffer, 2> buffers;
  for (StagingBuffer& buffer : buffers) {
    buffer.bytes = at::empty({std::min(bytes, kStagingBytes)}, pinned);
  }
  const auto* source = static_cast<const std::byte*>(host.const_data_ptr());
  auto* target = static_cast<std::byte*>(destination.data_ptr());
  for (int64_t done = 0, turn = 0; done < bytes; done += kStagingBytes, ++turn) {
    StagingBuffer& buffer = buffers[static_cast<size_t>(turn % 2)];
    const auto size = static_cast<size_t>(std::min(kStagingBytes, bytes - done));
    buffer.emptied.synchronize();  // returns at once if never recorded
    std::memcpy(buffer.bytes.data_ptr(), source + done, size);
    C10_CUDA_CHECK(cudaMemcpyAsync(target + done, buffer.bytes.const_data_ptr(), size,
                                   cudaMemcpyHostToDevice, stream.stream()));
    buffer.emptied.record(stream);
  }
  for (StagingBuffer& buffer : buffers) {
    buffer.emptied.synchronize();
  }
}

GpuMemory cuda_memory(int64_t index) {
  constexpr size_t kAllPools = 0;
  const auto statistics = c10::cuda::CUDACachingAllocator::getDeviceStats(index_of(index));
  GpuMemory memory;
  memory.allocated = statistics.allocated_bytes[kAllPools].current;
  memory.allocated_peak = statistics.allocated_bytes[kAllPools].peak;
  memory.reserved = statistics.reserved_bytes[kAllPools].current;
  memory.reserved_peak = statistics.reserved_bytes[kAllPools].peak;
  memory.out_of_memory = statistics.num_ooms;
  return memory;
}

void cuda_reset_peak_memory(int64_t index) {
  c10::cuda::CUDACachingAllocator::resetPeakStats(index_of(index));
}

}  // namespace peft
