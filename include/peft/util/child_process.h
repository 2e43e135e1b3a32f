#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

namespace peft {

/// How a child process ended, and what it wrote to stdout before.
struct ChildResult {
  enum class End {
    kExited,       ///< `code` is its exit code
    kSignalled,    ///< `code` is the signal
    kTookTooLong,  ///< it was killed
    kSaidTooMuch   ///< it was killed
  };
  End end = End::kExited;
  int code = 0;
  std::string output;
};

/// What a child may take before it is killed.
struct ChildLimits {
  std::chrono::milliseconds time{};
  size_t output_bytes = 0;
};

/// Starts a program afresh and waits for it: no code of ours runs between fork and exec, so it is
/// safe whatever threads this process has. The child reads `input` as its stdin, its stderr leads
/// nowhere, and the terminal's signals do not reach it. Throws IoError when it cannot be started.
ChildResult run_child(const std::vector<std::string>& command, int input,
                      const ChildLimits& limits);

}  // namespace peft
