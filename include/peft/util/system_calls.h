#pragma once

#include <fcntl.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>

namespace peft {

/// The system calls through which files are written. Tests replace members to fail, shorten, delay
/// or log them; each behaves as its namesake.
struct SystemCalls {
  int (*open)(const char* path, int flags, mode_t mode);
  ssize_t (*write)(int descriptor, const void* data, size_t size);
  int (*fsync)(int descriptor);
  int (*close)(int descriptor);
  int (*rename)(const char* from, const char* to);
  int (*rename_to_absent)(const char* from, const char* to);  ///< renameat2 with RENAME_NOREPLACE
  int (*exchange)(const char* one, const char* other);        ///< renameat2 with RENAME_EXCHANGE
  int (*unlink)(const char* path);
  int (*mkdir)(const char* path, mode_t mode);
  int (*rmdir)(const char* path);
  int64_t (*free_bytes)(const char* path);  ///< statvfs: bytes a user may still write, or -1
};

/// The table in use.
SystemCalls& system_calls();

}  // namespace peft
