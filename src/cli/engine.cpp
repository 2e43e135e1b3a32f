#include "peft/cli/engine.h"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>

#include "peft/plan/machine_memory.h"
#include "peft/util/signals.h"
#include "peft/util/text.h"

namespace peft {
namespace {

constexpr int64_t kEngineBytes = int64_t{500} << 20;  // what LibTorch's libraries map

std::filesystem::path engine_path() {
  std::error_code unreadable;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", unreadable);
  check<IoError>(!unreadable, "/proc/self/exe: {}", unreadable.message());
  return program.parent_path() / "libpeft_engine.so";
}

}  // namespace

int run_engine(const std::string& command, const Request& request) {
  const std::filesystem::path path = engine_path();
  check<IoError>(std::filesystem::exists(path),
                 "{}: no such file; `peft {}` needs the engine beside the program", path.string(),
                 command);
  // Threads that wait give their core away: spinning ones slow down everything else on a machine,
  // and with it themselves. OpenMP reads this once, when it is loaded.
  ::setenv("OMP_WAIT_POLICY", "passive", /*overwrite=*/0);
  // A signal that comes while LibTorch loads waits until the engine listens.
  hold_stop_signals();
  // Never closed: LibTorch's threads and destructors outlive any such attempt.
  void* const library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* const said = ::dlerror();
    const std::string reason = said == nullptr ? "unknown" : said;
    check<MemoryError>(reason.find("failed to map segment") == std::string::npos &&
                           reason.find("annot allocate memory") == std::string::npos,
                       "out of memory: the engine needs about {} of address space, {} are "
                       "available",
                       human_bytes(kEngineBytes), human_bytes(available_memory()));
    fail<IoError>("the engine cannot be loaded: {}", reason);
  }
  using Run = int (*)(const char*, const char*);
  const Run run = reinterpret_cast<Run>(::dlsym(library, "peft_run"));
  check<IoError>(run != nullptr, "{}: has no peft_run; it belongs to another version",
                 path.string());
  Request whole = request;
  whole["contain_pickles"] = true;
  return run(command.c_str(), whole.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
}

}  // namespace peft
