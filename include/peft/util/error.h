#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace peft {

/// What the process returns to its caller. Scripts rely on these numbers.
enum class ExitCode {
  kDone = 0,
  kBug = 1,          ///< a broken invariant of ours
  kUsage = 2,        ///< command line or run file
  kModel = 3,        ///< bad model, tokenizer or adapter
  kData = 4,         ///< bad data set, nothing to train on
  kIo = 5,           ///< disk full, permission, a locked run directory
  kMemory = 6,       ///< host or device memory
  kNumeric = 7,      ///< NaN, Inf
  kIntegrity = 8,    ///< a hash that does not match
  kCheckFailed = 9,  ///< a check the user asked for failed
  kStopped = 75,     ///< stopped on request, nothing half-written
  kInterrupted = 130
};

/// What a user did or a file says. The text is one line: where, what was expected, what was found,
/// what to do. The type carries the exit code, so no call site picks a number.
class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& text) : std::runtime_error(text), code_(code) {}
  ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

/// One class per exit code: `throw ModelError("...")`.
template <ExitCode kCode>
class ErrorOf final : public Error {
 public:
  static constexpr ExitCode kExitCode = kCode;
  explicit ErrorOf(const std::string& text) : Error(kCode, text) {}
};

using UsageError = ErrorOf<ExitCode::kUsage>;
using ModelError = ErrorOf<ExitCode::kModel>;
using DataError = ErrorOf<ExitCode::kData>;
using IoError = ErrorOf<ExitCode::kIo>;
using MemoryError = ErrorOf<ExitCode::kMemory>;
using NumericError = ErrorOf<ExitCode::kNumeric>;
using IntegrityError = ErrorOf<ExitCode::kIntegrity>;
using CheckFailed = ErrorOf<ExitCode::kCheckFailed>;
using Stopped = ErrorOf<ExitCode::kStopped>;
using Interrupted = ErrorOf<ExitCode::kInterrupted>;

/// fail<ModelError>("{}: expected {}, found {}", ...): throws E with the formatted text.
template <class E, class... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
  throw E(fmt::format(format, std::forward<Args>(args)...));
}

/// Throws E with the formatted text unless `ok`. Write conditions so that NaN fails them.
template <class E, class... Args>
void check(bool ok, fmt::format_string<Args...> format, Args&&... args) {
  if (!ok) {
    throw E(fmt::format(format, std::forward<Args>(args)...));
  }
}

}  // namespace peft
