#include "peft/commands/engine_start.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <dlfcn.h>

#include <filesystem>

#include "peft/commands/heap_allocator.h"
#include "peft/kernels/cuda_table.h"
#include "peft/util/error.h"
#include "peft/util/log.h"

namespace peft {
namespace {

/// GPUs that the driver counts, asked without any CUDA library of ours; why there are none.
int count_gpus(std::string* problem) {
  void* const driver = ::dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (driver == nullptr) {
    *problem = "no NVIDIA driver found (libcuda.so.1)";
    return 0;
  }
  const auto init = reinterpret_cast<int (*)(unsigned)>(::dlsym(driver, "cuInit"));
  const auto get_count = reinterpret_cast<int (*)(int*)>(::dlsym(driver, "cuDeviceGetCount"));
  const auto get_version = reinterpret_cast<int (*)(int*)>(::dlsym(driver, "cuDriverGetVersion"));
  int count = 0;
  int version = 0;
  if (init == nullptr || get_count == nullptr || get_version == nullptr || init(0) != 0 ||
      get_count(&count) != 0 || get_version(&version) != 0) {
    *problem = "the NVIDIA driver does not answer";
    return 0;
  }
  if (version < 13000) {
    *problem =
        fmt::format("the NVIDIA driver supports CUDA {}.{}; CUDA 13.0 is needed (driver 580)",
                    version / 1000, version % 1000 / 10);
    return 0;
  }
  if (count == 0) {
    *problem = "the NVIDIA driver counts no GPU";
  }
  return count;
}

std::filesystem::path own_folder() {
  Dl_info info{};
  ::dladdr(reinterpret_cast<const void*>(&start_engine), &info);
  return std::filesystem::path(info.dli_fname).parent_path();
}

/// Loads libpeft_cuda.so beside the engine; says why it cannot.
bool load_plugin(std::string* problem) {
  const std::filesystem::path file = own_folder() / "libpeft_cuda.so";
  void* const plugin = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  const auto table =
      plugin == nullptr
          ? nullptr
          : reinterpret_cast<const CudaTable* (*)()>(::dlsym(plugin, "peft_cuda_table"));
  if (table == nullptr) {
    *problem = ::dlerror();
    return false;
  }
  set_cuda_table(table());
  return true;
}

int64_t gpu_index(const std::string& choice, int count) {
  if (choice == "auto" || choice == "cuda") {
    return 0;
  }
  const std::string digits = choice.substr(5);
  const bool number = !digits.empty() && digits.size() < 4 &&
                      digits.find_first_not_of("0123456789") == std::string::npos;
  check<UsageError>(number, "--device: expected auto, cpu, cuda or cuda:N, found \"{}\"", choice);
  const int64_t index = std::stoll(digits);
  check<UsageError>(index < count, "--device {}: this machine has {} GPUs", choice, count);
  return index;
}

}  // namespace

at::Device start_engine(const std::string& choice, int64_t threads) {
  check<UsageError>(
      choice == "auto" || choice == "cpu" || choice == "cuda" || choice.starts_with("cuda:"),
      "--device: expected auto, cpu, cuda or cuda:N, found \"{}\"", choice);
  at::Device device(at::kCPU);
  if (choice != "cpu") {
    std::string problem;
    const int count = count_gpus(&problem);
    if (count > 0 && load_plugin(&problem)) {
      device = at::Device(at::kCUDA, static_cast<int8_t>(gpu_index(choice, count)));
      cuda_table()->select_device(device.index());
    } else if (choice != "auto") {
      fail<UsageError>("--device {}: {}; use --device cpu", choice, problem);
    } else if (count > 0) {
      log_info("the CPU is used: {}", problem);
    }
  }
  if (threads > 0) {
    at::set_num_threads(static_cast<int>(threads));
  }
  use_heap_allocator();
  return device;
}

std::string device_description(at::Device device) {
  if (device.is_cuda()) {
    return cuda_table()->device(device.index()).name;
  }
  return fmt::format("CPU ({} threads, {})", at::get_num_threads(), at::get_cpu_capability());
}

}  // namespace peft
