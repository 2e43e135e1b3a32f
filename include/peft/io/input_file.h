#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace peft {

/// A regular file, open for reading by position. A file that shrinks while it is read is an error
/// and never a signal, which is why nothing is memory-mapped.
class InputFile {
 public:
  /// Throws ModelError when there is no such file or it is not a regular one.
  explicit InputFile(const std::filesystem::path& path);
  /// The file that `descriptor` has open, which this object closes; `path` is for messages.
  InputFile(int descriptor, const std::filesystem::path& path);
  ~InputFile();
  InputFile(InputFile&& other) noexcept;
  InputFile& operator=(InputFile&& other) noexcept;

  const std::filesystem::path& path() const { return path_; }
  uint64_t size() const { return size_; }
  int descriptor() const { return descriptor_; }

  /// Fills `destination` from byte `offset` on. Safe from several threads. Throws ModelError when
  /// the file has become shorter, IoError when the system cannot read it.
  void read(uint64_t offset, std::span<std::byte> destination) const;

  /// `count` bytes as text; the caller has checked that they lie inside the file.
  std::string text(uint64_t offset, uint64_t count) const;

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
  uint64_t size_ = 0;
};

}  // namespace peft
