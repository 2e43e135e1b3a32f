#include "peft/util/lost_memory.h"

#include <unistd.h>

#include <cstdlib>
#include <exception>
#include <new>
#include <string_view>

#include "peft/util/error.h"

namespace peft {
namespace {

[[noreturn]] void end_or_abort() {
  try {
    if (const std::exception_ptr lost = std::current_exception()) {
      std::rethrow_exception(lost);
    }
  } catch (const std::bad_alloc&) {
    constexpr std::string_view line =
        "peft: error: out of memory; `peft plan` says what makes a run fit\n";
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
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
