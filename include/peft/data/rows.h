#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "peft/util/json.h"

namespace peft {

/// One row of a file, before anyone knows what it means.
struct Row {
  Json value;        ///< an object
  int64_t line = 0;  ///< where it begins, from 1
};

/// Rows of a data file, one after the other: a JSON list of objects, or one object per line, under
/// whichever name. Strict: UTF-8, no duplicate keys, at most 64 MiB a row. Empty lines are passed
/// over, and so is a byte-order mark at the start.
class RowReader {
 public:
  static constexpr size_t kLargestRow = size_t{64} << 20;

  /// `text` is borrowed; `where` is the file's name in messages.
  RowReader(std::string_view text, std::string where);

  /// The next row, or nothing at the end. Throws DataError with "file:line: ...".
  std::optional<Row> next();

  bool had_byte_order_mark() const { return had_byte_order_mark_; }

 private:
  std::optional<Row> next_line();
  std::optional<Row> next_element();
  void skip_space();
  void advance_to(size_t offset);
  Row parse(size_t begin, size_t end);

  std::string_view text_;
  std::string where_;
  size_t offset_ = 0;
  int64_t line_ = 1;  // of offset_
  bool is_list_ = false;
  bool at_first_ = true;
  bool is_done_ = false;
  bool had_byte_order_mark_ = false;
};

}  // namespace peft
