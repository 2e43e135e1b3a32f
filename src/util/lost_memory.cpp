#include "peft/util/lost_memory.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>

#include "peft/util/error.h"

namespace peft {
namespace {

/// Bytes of memory that are free, or that the limit of the address space leaves. Allocates nothing.
unsigned long free_bytes() {
  struct sysinfo system {};
  ::sysinfo(&system);
  unsigned long bytes = system.freeram * system.mem_unit;
  rlimit limit{};
  if (::getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
    return bytes;
  }
  char text[32] = {};  // "pages ...", the first number of statm
  const int file = ::open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  const bool known = file >= 0 && ::read(file, text, sizeof text - 1) > 0;
  ::close(file);
  const auto page = static_cast<unsigned long>(::sysconf(_SC_PAGESIZE));
  const unsigned long used = known ? std::strtoul(text, nullptr, 10) * page : 0;
  return std::min<unsigned long>(bytes, limit.rlim_cur > used ? limit.rlim_cur - used : 0);
}

[[noreturn]] void end_or_abort() {
  try {
    if (const std::exception_ptr lost = std::current_exception()) {
      std::rethrow_exception(lost);
    }
  } catch (const std::bad_alloc&) {
    char line[160];
    const int length =
        std::snprintf(line, sizeof line,
                      "peft: error: out of memory: %lu kB are available; `peft plan` "
                      "says what makes a run fit\n",
                      free_bytes() / 1000);
    [[maybe_unused]] const ssize_t written =
        ::write(STDERR_FILENO, line, static_cast<size_t>(std::max(0, length)));
    ::_exit(static_cast<int>(ExitCode::kMemory));
  } catch (...) {
  }
  std::abort();
}

}  // namespace

void end_in_one_line_when_memory_is_lost() {
  std::set_terminate(end_or_abort);
}

}  // namespace peft
