#pragma once

#include <cstdint>

namespace peft {

/// Bounds of a contained process.
struct ContainmentLimits {
  uint64_t memory_bytes = 0;  ///< of address space
  uint64_t cpu_seconds = 0;
};

/// Takes from this process, for the rest of its life, what computing on open files does not need:
/// memory and time beyond the limits; every file but stdin, stdout and stderr, and opening any
/// more, sockets included; writing to regular files; other processes; new privileges. It ends with
/// its parent. Where the kernel filters system calls, all but those that read, write, close, manage
/// memory and exit fail with EPERM; where it does not, the limits alone hold, and they bind root
/// less than others. Builds with the address sanitizer have no limit of memory, which they reserve
/// by terabytes. Throws IoError when a limit cannot be set.
void contain_this_process(const ContainmentLimits& limits);

}  // namespace peft
