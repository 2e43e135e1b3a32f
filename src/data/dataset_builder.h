#pragma once

#include <optional>
#include <string>
#include <vector>

#include "label_set.h"
#include "peft/data/data_tally.h"
#include "peft/data/dataset.h"
#include "peft/data/prompt_format.h"
#include "peft/data/token_cache.h"
#include "row_digests.h"

namespace peft {

/// What became of one row of a file.
struct FormattedLine {
  int64_t line = 0;
  FormattedSource source;
  std::string fault;  ///< why it breaks its shape; "" when it does not
};

/// Builds a data set row by row, in order, keeping count.
class DatasetBuilder {
 public:
  /// Borrows both. With a writer the examples' tokens go there and nowhere else. Throws UsageError
  /// for options that make no sense.
  DatasetBuilder(const DataOptions& options, TokenCacheWriter* writer);

  /// The rows that follow are of this file.
  void begin_file(const std::filesystem::path& file, double weight);
  /// Says what the file's rows are. Throws UsageError when the options do not fit.
  void decide(const RowMapping& mapping);
  void add_note(const std::string& note) { report().notes.push_back(note); }
  /// Throws DataError for a row with a fault unless some are allowed, and for what the options
  /// refuse.
  void add(FormattedLine&& row);
  /// Throws DataError when the set would teach nothing, or too little is good. `trains`: its
  /// messages must have the weights that data.columns names, which held-out rows need not.
  Dataset finish(bool trains);

 private:
  DataReport& report() { return dataset_.report; }
  std::string where() const { return fmt::format("{}:{}", name_, line_); }
  void tally(bool happened, RowPlaces& places) const;
  void tally_source(const FormattedSource& source);
  void refuse_or_pass_over(const std::string& fault);
  void refuse(const std::string& reason);
  void refuse_special_text();
  void refuse_unused_column(const std::string& ours, int64_t rows_with_it);
  void refuse_length(int64_t length);
  bool fit(FormattedSource& source);
  void cut(FormattedRow& row);
  void split(const FormattedRow& row, std::vector<FormattedRow>& pieces);
  bool add_example(FormattedRow formatted, const FormattedSource& source);
  std::string file_names() const;

  const DataOptions& options_;
  Dataset dataset_;
  DataTally tally_;
  LabelSet labels_;
  std::string name_;              // of the file at hand
  int64_t line_ = 0;              // of the row at hand
  std::string first_fault_;       // of the rows that were passed over
  std::vector<int32_t> cut_off_;  // from the row at hand
  RowShape shape_ = RowShape::kText;
  RowDigests digests_;
  TokenCacheWriter* writer_;
};

}  // namespace peft
