#include "peft/data/dataset.h"

#include <limits>
#include <span>
#include <utility>

#include "dataset_builder.h"
#include "peft/data/rows.h"
#include "peft/data/source_files.h"
#include "peft/data/stop_tokens.h"
#include "peft/util/sha256.h"
#include "peft/util/signals.h"
#include "peft/util/text.h"

namespace peft {
namespace {

/// Reads files into a builder.
class DatasetReader {
 public:
  DatasetReader(const DataOptions& options, const TextPipeline& pipeline)
      : options_(options), format_(options, pipeline), builder_(options) {}

  void read(const SourceFiles& part) {
    int64_t left = part.limit;
    for (const std::filesystem::path& file : part.files) {
      if (left > 0) {
        left -= read_file(file, part.weight, left);
      }
    }
  }

  Dataset finish() { return builder_.finish(); }

 private:
  /// Returns the rows that were read.
  int64_t read_file(const std::filesystem::path& file, double weight, int64_t limit) {
    const std::unique_ptr<RowSource> rows = open_rows(file, text_split(options_.text_split));
    builder_.begin_file(file, weight);
    std::optional<RowMapping> mapping;
    int64_t count = 0;
    while (count < limit) {
      const std::optional<RawRow> row = rows->next();
      if (!row) {
        break;
      }
      ++count;
      check_not_stopped();
      add(*rows, *row, file.string(), mapping);
    }
    check<DataError>(mapping.has_value(), "{}: expected rows, found none", file.string());
    for (const std::string& note : rows->notes()) {
      builder_.add_note(note);
    }
    return count;
  }

  void add(const RowSource& rows, const RawRow& raw, const std::string& file,
           std::optional<RowMapping>& mapping) {
    FormattedLine line{raw.line, {}, ""};
    const std::string where = fmt::format("{}:{}", file, raw.line);
    try {
      const Json value = rows.parse(raw);
      if (!mapping) {
        mapping = detect_mapping(value, options_, where);
        builder_.decide(*mapping);
      }
      line.source = format_.format(value, *mapping, where);
    } catch (const DataError& error) {
      line.fault = error.what();
    }
    builder_.add(std::move(line));
  }

  const DataOptions& options_;
  PromptFormat format_;
  DatasetBuilder builder_;
};

/// Of the one file's bytes; of several, of their hashes one behind the other.
std::string hash_of(const std::vector<SourceFiles>& parts) {
  std::vector<std::string> hashes;
  for (const SourceFiles& part : parts) {
    for (const std::filesystem::path& file : part.files) {
      hashes.push_back(sha256_of_file(file));
    }
  }
  return hashes.size() == 1 ? hashes[0] : sha256(join(hashes, ""));
}

}  // namespace

Dataset load_dataset(const std::vector<DataSource>& sources, const DataOptions& options,
                     const TextPipeline& pipeline) {
  const std::vector<SourceFiles> parts = source_files(sources);
  DatasetReader reader(options, pipeline);
  for (const SourceFiles& part : parts) {
    reader.read(part);
  }
  Dataset dataset = reader.finish();
  dataset.report.sha256 = hash_of(parts);
  return dataset;
}

std::string reference_answer(const Example& example, const TextPipeline& pipeline) {
  const auto begin = static_cast<size_t>(example.prompt_length);
  size_t end = begin;
  while (end < example.ids.size() && example.labels[end] != kIgnored) {
    ++end;
  }
  const std::vector<int32_t> answer(example.ids.begin() + static_cast<std::ptrdiff_t>(begin),
                                    example.ids.begin() + static_cast<std::ptrdiff_t>(end));
  const std::optional<size_t> stop =
      find_turn_end(answer, 0, pipeline.tokenizer, stop_set(pipeline));
  return pipeline.tokenizer.decode(std::span(answer).first(stop.value_or(answer.size())),
                                   /*skip_special_tokens=*/false);
}

}  // namespace peft
