#pragma once

#include <cstdint>
#include <filesystem>

namespace peft {

/// Host memory that this process can still have, in bytes: what the system calls available, or what
/// is left of the control group's limit or of the address space's, whichever is least. `root` is
/// where proc and sys are; tests give their own. 0 when the system does not say.
int64_t available_memory(const std::filesystem::path& root = "/");

/// Memory of the first GPU that the driver counts, in bytes; 0 without one.
int64_t gpu_memory();

/// Bytes free on the disk of `path` or of its nearest parent that exists; 0 when unknown.
int64_t available_disk(std::filesystem::path path);

}  // namespace peft
