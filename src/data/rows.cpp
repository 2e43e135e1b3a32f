#include "peft/data/rows.h"

#include <algorithm>

#include "peft/util/text.h"

namespace peft {

std::unique_ptr<RowSource> open_rows(const std::filesystem::path& file, TextSplit split) {
  const std::string extension = lower_ascii(file.extension().string());
  if (extension == ".csv" || extension == ".tsv") {
    return open_csv_rows(file, extension == ".tsv");
  }
  if (extension == ".txt" || extension == ".text") {
    return open_text_rows(file, split);
  }
  if (extension == ".parquet") {
    return open_parquet_rows(file);
  }
  return open_json_rows(file);
}

TextSplit text_split(const std::string& name) {
  const std::vector<std::string> names = {"blank_line", "line", "none"};
  const auto found = std::find(names.begin(), names.end(), name);
  check<UsageError>(found != names.end(), "data.text_split: expected one of {}, found \"{}\"{}",
                    join(names, ", "), name, did_you_mean(name, names));
  return static_cast<TextSplit>(found - names.begin());
}

void check_row_size(const std::string& file, int64_t line, size_t bytes) {
  check<DataError>(bytes <= kLargestRow, "{}:{}: expected a row of at most {} bytes, found {}",
                   file, line, with_commas(kLargestRow), with_commas(static_cast<int64_t>(bytes)));
}

}  // namespace peft
