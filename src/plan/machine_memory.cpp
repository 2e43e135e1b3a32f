#include "peft/plan/machine_memory.h"

#include <dlfcn.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>
#include <string>

namespace peft {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kUnlimited = std::numeric_limits<int64_t>::max();

/// The number that a file of one line holds; nothing for "max" or no file.
std::optional<int64_t> number_in(const fs::path& file) {
  std::string text;
  std::ifstream(file) >> text;
  int64_t number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  return problem == std::errc() && end == text.data() + text.size() && !text.empty()
             ? std::optional(number)
             : std::nullopt;
}

int64_t system_memory(const fs::path& root) {
  std::ifstream file(root / "proc/meminfo");
  for (std::string line; std::getline(file, line);) {
    if (std::istringstream words(line); line.starts_with("MemAvailable:")) {
      std::string name;
      int64_t kilobytes = 0;
      words >> name >> kilobytes;
      return kilobytes * 1024;
    }
  }
  return 0;
}

/// What is left of one group's limit. A version 1 group without a limit holds a huge number.
int64_t left_in(const fs::path& folder, const char* limit, const char* usage) {
  const auto most = number_in(folder / limit);
  const auto used = number_in(folder / usage);
  if (!most || !used || *most > kUnlimited / 2) {
    return kUnlimited;
  }
  return std::max<int64_t>(0, *most - *used);
}

/// The tightest limit of this process's groups, from its own up to the root.
int64_t group_memory(const fs::path& root) {
  int64_t least = kUnlimited;
  std::ifstream file(root / "proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const size_t second = line.rfind(':');
    const bool is_unified = line.starts_with("0::");
    if (second == std::string::npos ||
        !(is_unified || line.find(":memory:") != std::string::npos)) {
      continue;
    }
    const fs::path base = root / (is_unified ? "sys/fs/cgroup" : "sys/fs/cgroup/memory");
    for (fs::path group = line.substr(second + 1); !group.empty(); group = group.parent_path()) {
      const fs::path folder = base / group.relative_path();
      least = std::min(
          least, is_unified ? left_in(folder, "memory.max", "memory.current")
                            : left_in(folder, "memory.limit_in_bytes", "memory.usage_in_bytes"));
      if (group == group.parent_path()) {
        break;
      }
    }
  }
  return least;
}

/// What the limit of this process's address space (`ulimit -v`) leaves.
int64_t address_space(const fs::path& root) {
  rlimit limit{};
  const auto pages = number_in(root / "proc/self/statm");
  if (::getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY || !pages) {
    return kUnlimited;
  }
  return std::max<int64_t>(0,
                           static_cast<int64_t>(limit.rlim_cur) - *pages * ::sysconf(_SC_PAGESIZE));
}

}  // namespace

int64_t available_memory(const fs::path& root) {
  const int64_t system = system_memory(root);
  const int64_t group = std::min(group_memory(root), address_space(root));
  return system == 0 && group == kUnlimited ? 0 : std::min(system == 0 ? group : system, group);
}

int64_t gpu_memory() {
  void* const driver = ::dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (driver == nullptr) {
    return 0;
  }
  const auto init = reinterpret_cast<int (*)(unsigned)>(::dlsym(driver, "cuInit"));
  const auto size = reinterpret_cast<int (*)(size_t*, int)>(::dlsym(driver, "cuDeviceTotalMem_v2"));
  size_t bytes = 0;
  // A device's handle is its number.
  const bool answers =
      init != nullptr && size != nullptr && init(0) == 0 && size(&bytes, /*device=*/0) == 0;
  return answers ? static_cast<int64_t>(bytes) : 0;
}

int64_t available_disk(fs::path path) {
  std::error_code problem;
  path = fs::absolute(path, problem);
  while (!path.empty() && !fs::exists(path, problem) && path != path.parent_path()) {
    path = path.parent_path();
  }
  const fs::space_info space = fs::space(path, problem);
  return problem ? 0 : static_cast<int64_t>(space.available);
}

}  // namespace peft
