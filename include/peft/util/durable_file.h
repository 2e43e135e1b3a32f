#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string_view>

#include "peft/util/system_calls.h"

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

/// Makes a folder and its missing parents so that they survive a power loss. Throws IoError.
void make_folders(const std::filesystem::path& path);

/// Throws IoError unless the file system of `folder` has room for 1.2 times `bytes`.
void check_room(const std::filesystem::path& folder, int64_t bytes);

}  // namespace peft
