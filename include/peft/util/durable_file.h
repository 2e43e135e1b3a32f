#pragma once

#include <fcntl.h>
#include <sys/types.h>

#include <cstddef>
#include <filesystem>
#include <functional>
#include <span>
#include <string_view>

namespace peft {

/// Appends bytes to the file being written. Throws IoError.
using ByteSink = std::function<void(std::span<const std::byte>)>;

/// Writes a file so that a reader sees the old one or the new one, whole: temporary beside the
/// target, write, fsync, rename, fsync of the folder. `fill` produces the bytes. On any failure the
/// temporary is removed and IoError names the file and the system's reason.
void write_file(const std::filesystem::path& path,
                const std::function<void(const ByteSink&)>& fill);

/// The same for a text at hand.
void write_file(const std::filesystem::path& path, std::string_view text);

/// Writes a folder so that nobody sees half of it: `fill` gets a new temporary folder beside the
/// target, which takes the target's name when it returns. `overwrite` replaces a folder that
/// exists; without it that is a UsageError. On any failure the temporary is removed.
void write_folder(const std::filesystem::path& path, bool overwrite,
                  const std::function<void(const std::filesystem::path& temporary)>& fill);

/// The system calls through which files are written. Tests replace members to fail, shorten or
/// count them; each behaves as its namesake.
struct SystemCalls {
  int (*open)(const char* path, int flags, mode_t mode);
  ssize_t (*write)(int descriptor, const void* data, size_t size);
  int (*fsync)(int descriptor);
  int (*close)(int descriptor);
  int (*rename)(const char* from, const char* to);
  int (*rename_to_absent)(const char* from, const char* to);  ///< renameat2 with RENAME_NOREPLACE
  int (*unlink)(const char* path);
};

/// The table in use.
SystemCalls& system_calls();

}  // namespace peft
