#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "peft/io/input_file.h"
#include "peft/util/json.h"

namespace peft {

/// Reads the header of a GGUF file from front to back, never past the file's end. Every fault is a
/// ModelError.
class GgufHeaderReader {
 public:
  /// `file` must outlive the reader.
  explicit GgufHeaderReader(const InputFile& file) : file_(file) {}

  uint64_t offset() const { return offset_; }
  uint64_t left() const { return file_.size() - offset_; }
  /// The file's name, for messages.
  std::string where() const { return file_.path().string(); }

  /// The next little-endian number.
  template <class T>
  T number() {
    T value{};
    take(std::as_writable_bytes(std::span(&value, 1)));
    return value;
  }

  /// The next key or tensor name (`what` it is, for messages): 1 to 1024 printable bytes.
  std::string name(const std::string& what);

  /// The next typed value: a number, a boolean, a string or a list of these. A float32 becomes the
  /// shortest decimal number that rounds to it.
  Json value(const std::string& key);

 private:
  Json scalar(uint32_t type, const std::string& key);
  std::string string();
  void need(uint64_t count) const;
  void take(std::span<std::byte> destination);

  const InputFile& file_;
  uint64_t offset_ = 0;
  uint64_t window_begin_ = 0;
  std::vector<std::byte> window_;
};

}  // namespace peft
