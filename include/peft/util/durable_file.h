#pragma once

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
void write_file(const std::filesystem::path& path, const std::function<void(const ByteSink&)>& fill);

/// The same for a text at hand.
void write_file(const std::filesystem::path& path, std::string_view text);

}  // namespace peft
