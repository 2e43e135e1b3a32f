#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "peft/io/input_file.h"

namespace peft {

/// A text file of any size, read block by block: a window over it that only moves forward, so that
/// no more of the file lies in memory than somebody looks at. A byte-order mark at the start is
/// passed over.
class TextWindow {
 public:
  static constexpr size_t kBlock = size_t{4} << 20;
  static constexpr size_t kMost = size_t{64} << 20;

  /// Throws DataError when the file cannot be opened, is not a regular one, or is UTF-16.
  explicit TextWindow(const std::filesystem::path& file, size_t block = kBlock);

  /// What lies in memory from the place that was reached on. Any other call ends its validity.
  std::string_view text() const { return std::string_view(buffer_).substr(begin_); }
  /// True when the file goes on behind `text()`.
  bool has_more() const { return offset_ < file_.size(); }
  /// Makes `text()` longer: by a block, or twice as long if that is more.
  void extend();
  /// Moves the start of `text()` forward.
  void pass(size_t bytes);

  /// Passes over characters of `set`; true unless the file ends there.
  bool skip(std::string_view set);
  /// Length of the text up to the first `character` at or behind `from`; up to the end of the file
  /// when there is none, or to some place beyond kMost bytes when it has not come by then.
  size_t find(char character, size_t from = 0);

  int64_t line() const { return line_; }      ///< of the start of `text()`, from 1
  int64_t column() const { return column_; }  ///< the same in bytes
  const std::string& name() const { return name_; }
  bool had_byte_order_mark() const { return had_byte_order_mark_; }

 private:
  InputFile file_;
  std::string name_;
  size_t block_;
  std::string buffer_;
  size_t begin_ = 0;     // of text(), in the buffer
  uint64_t offset_ = 0;  // of the byte behind the buffer, in the file
  int64_t line_ = 1;
  int64_t column_ = 1;
  bool had_byte_order_mark_ = false;
};

}  // namespace peft
