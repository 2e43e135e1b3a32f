#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "peft/data/text_window.h"
#include "peft/util/json.h"

namespace peft {

/// Bytes that a row may have.
inline constexpr size_t kLargestRow = TextWindow::kMost;

/// One row of a file, cut out and not yet understood.
struct RawRow {
  std::string text;
  int64_t line = 1;      ///< where it begins, from 1
  int64_t column = 1;    ///< the same in bytes
  bool is_first = true;  ///< of its file
};

/// Rows of a data file, one after the other. Cutting them out is cheap and done by one thread;
/// understanding them may be done by many.
class RowSource {
 public:
  virtual ~RowSource() = default;

  /// The next row, or nothing at the end. Throws DataError with "file:line: ..." when the file
  /// cannot be cut any further.
  virtual std::optional<RawRow> next() = 0;

  /// A row as an object. Throws DataError with "file:line: ..." for a row that breaks its format.
  virtual Json parse(const RawRow& row) const = 0;

  /// What the reader found remarkable, ready to print.
  virtual std::vector<std::string> notes() const { return {}; }
};

/// How a plain text file becomes rows.
enum class TextSplit {
  kBlankLine,  ///< paragraphs
  kLine,
  kNone  ///< the whole file is one row
};

/// A file as rows, by its name's extension: .csv and .tsv with a header line, .txt, .parquet where
/// the reader for it is installed, and JSON under every other name: a list of objects, or one
/// object per line. Strict UTF-8; JSON without duplicate keys. Throws DataError.
std::unique_ptr<RowSource> open_rows(const std::filesystem::path& file,
                                     TextSplit split = TextSplit::kBlankLine);

/// The readers behind it.
std::unique_ptr<RowSource> open_json_rows(const std::filesystem::path& file);
std::unique_ptr<RowSource> open_csv_rows(const std::filesystem::path& file, bool by_tabs);
std::unique_ptr<RowSource> open_text_rows(const std::filesystem::path& file, TextSplit split);
std::unique_ptr<RowSource> open_parquet_rows(const std::filesystem::path& file);

/// "blank_line", "line", "none". Throws UsageError.
TextSplit text_split(const std::string& name);

/// Throws DataError for a row of more than kLargestRow bytes.
void check_row_size(const std::string& file, int64_t line, size_t bytes);

}  // namespace peft
