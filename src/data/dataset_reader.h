#pragma once

#include <chrono>

#include "dataset_builder.h"
#include "peft/data/rows.h"
#include "peft/data/source_files.h"

namespace peft {

/// Reads files into a data set. Large ones are tokenised by all processors the process may use, and
/// no more of them lies in memory than these work on.
class DatasetReader {
 public:
  /// Borrows all. `writer`: takes the tokens, see DatasetBuilder.
  DatasetReader(const DataOptions& options, const TextPipeline& pipeline, TokenCacheWriter* writer);

  void read(const SourceFiles& part, size_t part_number);
  Dataset finish() { return builder_.finish(trains_); }
  /// Of every file that was read, the number of its part.
  const std::vector<size_t>& parts() const { return parts_; }

 private:
  int64_t read_file(const std::filesystem::path& file, double weight, int64_t limit);
  RowMapping mapping_of(const Json& row, const std::string& where) const;
  int64_t read_first(RowSource& rows, const std::string& file, int64_t limit,
                     std::optional<RowMapping>& mapping);
  int64_t read_in_parallel(RowSource& rows, const std::string& file, int64_t limit,
                           const RowMapping& mapping);
  FormattedLine formatted(const RowSource& rows, const RawRow& raw, const std::string& file,
                          const RowMapping& mapping) const;
  void add_first(const RowSource& rows, const RawRow& raw, const std::string& file,
                 std::optional<RowMapping>& mapping);
  void say_progress();

  const DataOptions& options_;
  PromptFormat format_;
  DatasetBuilder builder_;
  std::string shapeless_;  // why the first row of the file at hand fits no shape
  Json columns_;           // of the part at hand
  bool trains_ = false;    // a part is not held out
  std::vector<size_t> parts_;
  int64_t rows_ = 0;
  int64_t bytes_ = 0;
  double said_after_ = 0.0;  // seconds
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

}  // namespace peft
