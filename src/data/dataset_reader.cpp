#include "dataset_reader.h"

#include <sched.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "ordered_workers.h"
#include "peft/util/log.h"
#include "peft/util/signals.h"
#include "peft/util/text.h"

namespace peft {
namespace {

constexpr size_t kAlone = size_t{1} << 20;  // bytes of a file that are not worth a thread
constexpr size_t kPieceBytes = size_t{1} << 18;
constexpr size_t kPiecesPerThread = 3;
constexpr double kSilence = 5.0;  // seconds

using RawRows = std::vector<RawRow>;
using FormattedLines = std::vector<FormattedLine>;

/// Processors that this process may use.
size_t processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  const bool known = ::sched_getaffinity(0, sizeof(set), &set) == 0;
  return known ? static_cast<size_t>(CPU_COUNT(&set))
               : std::max<size_t>(1, std::thread::hardware_concurrency());
}

/// The next rows, about kPieceBytes of them and at most `limit`.
RawRows next_piece(RowSource& rows, int64_t limit) {
  RawRows piece;
  size_t bytes = 0;
  while (bytes < kPieceBytes && static_cast<int64_t>(piece.size()) < limit) {
    std::optional<RawRow> row = rows.next();
    if (!row) {
      break;
    }
    bytes += row->text.size() + 1;
    piece.push_back(std::move(*row));
  }
  return piece;
}

}  // namespace

DatasetReader::DatasetReader(const DataOptions& options, const TextPipeline& pipeline,
                             TokenCacheWriter* writer)
    : options_(options), format_(options, pipeline), builder_(options, writer) {}

void DatasetReader::read(const SourceFiles& part, size_t part_number) {
  int64_t left = part.limit;
  columns_ = part.columns;
  trains_ = trains_ || !part.held_out;
  for (const std::filesystem::path& file : part.files) {
    if (left > 0) {
      parts_.push_back(part_number);
      left -= read_file(file, part.weight, left);
    }
  }
}

/// Returns the rows that were read.
int64_t DatasetReader::read_file(const std::filesystem::path& file, double weight, int64_t limit) {
  const std::unique_ptr<RowSource> rows = open_rows(file, text_split(options_.text_split));
  builder_.begin_file(file, weight);
  std::optional<RowMapping> mapping;
  shapeless_.clear();
  int64_t count = read_first(*rows, file.string(), limit, mapping);
  check<DataError>(mapping.has_value() || shapeless_.empty(), "{}", shapeless_);
  check<DataError>(mapping.has_value(), "{}: expected rows, found none", file.string());
  if (count < limit) {
    count += read_in_parallel(*rows, file.string(), limit - count, *mapping);
  }
  for (const std::string& note : rows->notes()) {
    builder_.add_note(note);
  }
  return count;
}

/// The rows of a small file, or the beginning of a large one.
int64_t DatasetReader::read_first(RowSource& rows, const std::string& file, int64_t limit,
                                  std::optional<RowMapping>& mapping) {
  int64_t count = 0;
  size_t bytes = 0;
  while (count < limit && (bytes < kAlone || !mapping)) {
    check_not_stopped();
    const std::optional<RawRow> row = rows.next();
    if (!row) {
      break;
    }
    bytes += row->text.size();
    ++count;
    add_first(rows, *row, file, mapping);
  }
  rows_ += count;
  bytes_ += static_cast<int64_t>(bytes);
  return count;
}

int64_t DatasetReader::read_in_parallel(RowSource& rows, const std::string& file, int64_t limit,
                                        const RowMapping& mapping) {
  RawRows piece = next_piece(rows, limit);
  if (piece.empty()) {
    return 0;
  }
  OrderedWorkers<RawRows, FormattedLines> workers(processors(), [&](const RawRows& work) {
    FormattedLines lines;
    lines.reserve(work.size());
    for (const RawRow& raw : work) {
      lines.push_back(formatted(rows, raw, file, mapping));
    }
    return lines;
  });
  int64_t count = 0;
  while (!piece.empty() || workers.pending() > 0) {
    check_not_stopped();
    while (!piece.empty() && workers.pending() < kPiecesPerThread * processors()) {
      count += static_cast<int64_t>(piece.size());
      for (const RawRow& row : piece) {
        bytes_ += static_cast<int64_t>(row.text.size());
      }
      workers.give(std::move(piece));
      piece = next_piece(rows, limit - count);
    }
    for (FormattedLine& line : workers.take()) {
      ++rows_;
      builder_.add(std::move(line));
    }
    say_progress();
  }
  return count;
}

FormattedLine DatasetReader::formatted(const RowSource& rows, const RawRow& raw,
                                       const std::string& file, const RowMapping& mapping) const {
  FormattedLine line{raw.line, {}, ""};
  try {
    line.source = format_.format(rows.parse(raw), mapping, fmt::format("{}:{}", file, raw.line));
  } catch (const DataError& error) {
    line.fault = error.what();
  }
  return line;
}

/// Adds a row; the first good one says what the file's rows are.
void DatasetReader::add_first(const RowSource& rows, const RawRow& raw, const std::string& file,
                              std::optional<RowMapping>& mapping) {
  if (!mapping) {
    try {
      const Json value = rows.parse(raw);
      mapping = mapping_of(value, fmt::format("{}:{}", file, raw.line));
    } catch (const DataError& error) {
      shapeless_ = shapeless_.empty() ? error.what() : shapeless_;
      builder_.add({raw.line, {}, error.what()});
      return;
    }
    builder_.decide(*mapping);
  }
  builder_.add(formatted(rows, raw, file, *mapping));
}

RowMapping DatasetReader::mapping_of(const Json& row, const std::string& where) const {
  if (columns_.empty()) {
    return detect_mapping(row, options_, where);
  }
  DataOptions options = options_;
  options.columns = columns_;
  options.columns.update(options_.columns);
  return detect_mapping(row, options, where);
}

void DatasetReader::say_progress() {
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - begin_;
  if (passed.count() < said_after_ + kSilence) {
    return;
  }
  said_after_ = passed.count();
  log_info("tokenising: {} rows, {} so far, {} rows/s", with_commas(rows_), human_bytes(bytes_),
           with_commas(static_cast<int64_t>(static_cast<double>(rows_) / passed.count())));
}

}  // namespace peft
