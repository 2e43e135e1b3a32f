#include "peft/data/dataset.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <span>
#include <unordered_map>
#include <utility>

#include "peft/data/data_tally.h"
#include "peft/data/prompt_format.h"
#include "peft/data/stop_tokens.h"
#include "peft/util/sha256.h"
#include "peft/util/signals.h"
#include "peft/util/text.h"

namespace peft {
namespace {

int64_t scored_tokens(const std::vector<int32_t>& labels) {
  if (labels.empty()) {
    return 0;
  }
  return std::count_if(labels.begin() + 1, labels.end(), [](int32_t id) { return id != kIgnored; });
}

/// Begin of the last run of labels.
int64_t last_span(const std::vector<int32_t>& labels) {
  size_t i = labels.size();
  while (i > 0 && labels[i - 1] == kIgnored) {
    --i;
  }
  while (i > 0 && labels[i - 1] != kIgnored) {
    --i;
  }
  return static_cast<int64_t>(i);
}

/// Builds a data set row by row, keeping count.
class DatasetBuilder {
 public:
  DatasetBuilder(const DataOptions& options, const TextPipeline& pipeline)
      : options_(options), format_(options, pipeline) {
    const std::vector<std::string> ways = {"truncate", "drop", "split", "error"};
    check<UsageError>(std::find(ways.begin(), ways.end(), options.overflow) != ways.end(),
                      "data.overflow: expected one of {}, found \"{}\"{}", join(ways, ", "),
                      options.overflow, did_you_mean(options.overflow, ways));
    check<UsageError>(options.max_length > 0,
                      "data.max_length: expected a positive number, found {}", options.max_length);
  }

  void add_file(const DataSource& source) {
    name_ = source.path.string();
    check<UsageError>(source.weight > 0.0 && source.weight <= 1000.0,
                      "{}: weight: expected a number above 0 and up to 1000, found {}", name_,
                      source.weight);
    const std::string text = read_text<DataError>(source.path, std::numeric_limits<size_t>::max());
    hash_.update(std::as_bytes(std::span(text)));
    RowReader reader(text, name_);
    if (reader.had_byte_order_mark()) {
      report().notes.push_back(fmt::format("{}: the byte-order mark was passed over", name_));
    }
    dataset_.files.push_back(source.path);
    dataset_.weights.push_back(source.weight);
    const int64_t limit = source.limit.value_or(std::numeric_limits<int64_t>::max());
    std::optional<RowMapping> mapping;
    for (int64_t count = 0; count < limit; ++count) {
      const std::optional<Row> row = reader.next();
      if (!row) {
        break;
      }
      check_not_stopped();
      if (!mapping) {
        mapping = detect_mapping(row->value, options_, fmt::format("{}:{}", name_, row->line));
        decide(*mapping);
      }
      add_row(*row, *mapping);
    }
    check<DataError>(mapping.has_value(), "{}: expected rows, found none", name_);
  }

  Dataset take() {
    report().examples = static_cast<int64_t>(dataset_.examples.size());
    check_tally(tally_, report(), options_, file_names());
    describe_tally(tally_, options_, report());
    report().sha256 = hash_.finish();
    return std::move(dataset_);
  }

 private:
  DataReport& report() { return dataset_.report; }

  void decide(const RowMapping& mapping) {
    const std::string shape(shape_name(mapping.shape));
    const bool first = report().format.empty();
    if (first) {
      report().format = shape;
      report().decision = mapping.decision;
    } else {
      report().format = report().format == shape ? shape : "mixed";
      report().decision += fmt::format("; {}: {}", name_, mapping.decision);
    }
    check<UsageError>(
        options_.overflow != "split" || mapping.shape == RowShape::kText,
        "data.overflow: \"split\" cuts text rows in pieces, and {} holds {} rows; use "
        "truncate, drop or error",
        name_, shape);
  }

  void add_row(const Row& row, const RowMapping& mapping) {
    ++report().rows;
    line_ = row.line;
    FormattedSource source = format_.format(row.value, mapping, where());
    tally(source.border == Border::kOffsets, tally_.by_offsets);
    tally(source.border == Border::kPerTurn, tally_.per_turn);
    check<DataError>(
        !source.special_in_text || options_.special_in_text != "error",
        "{}: the row's own text spells a special token, which would become that token; "
        "change the row, or set data.special_in_text to \"parse\"",
        where());
    tally(source.special_in_text, tally_.special);
    tally(source.tools_ignored, tally_.tools_ignored);
    tally(source.glued, tally_.glued);
    tally(source.extra_bos, tally_.extra_bos);
    tally(source.without_bos, tally_.without_bos);
    in_chat_ = mapping.shape == RowShape::kChat || mapping.shape == RowShape::kInstruct;
    const bool was_cut = fit(source.rows);
    bool any = source.rows.empty();
    for (FormattedRow& formatted : source.rows) {
      any = add_example(std::move(formatted)) || any;
    }
    tally(!any, tally_.unscored);
    tally_.unscored_cut += !any && was_cut;
  }

  std::string where() const { return fmt::format("{}:{}", name_, line_); }

  void tally(bool happened, RowPlaces& places) const {
    if (happened) {
      places.add(name_, line_);
    }
  }

  /// Applies data.overflow. True if an example was cut.
  bool fit(std::vector<FormattedRow>& rows) {
    bool was_cut = false;
    std::vector<FormattedRow> fitting;
    for (FormattedRow& row : rows) {
      const auto length = static_cast<int64_t>(row.ids.size());
      tally_.all_tokens += length;
      report().longest = std::max(report().longest, length);
      if (length <= options_.max_length) {
        fitting.push_back(std::move(row));
        continue;
      }
      check<DataError>(
          options_.overflow != "error",
          "{}: {} tokens do not fit data.max_length {}; raise it, or set data.overflow "
          "to \"truncate\" or \"drop\"",
          where(), with_commas(length), with_commas(options_.max_length));
      if (options_.overflow == "drop") {
        tally(true, tally_.too_long);
        tally_.lost_tokens += length;
      } else if (options_.overflow == "split") {
        split(row, fitting);
      } else {
        was_cut = true;
        cut(row);
        fitting.push_back(std::move(row));
      }
    }
    rows = std::move(fitting);
    return was_cut;
  }

  void cut(FormattedRow& row) {
    tally(true, tally_.cut);
    tally_.lost_tokens += static_cast<int64_t>(row.ids.size()) - options_.max_length;
    row.ids.resize(static_cast<size_t>(options_.max_length));
    row.labels.resize(static_cast<size_t>(options_.max_length));
    row.stop = row.stop < options_.max_length ? row.stop : -1;
  }

  void split(const FormattedRow& row, std::vector<FormattedRow>& pieces) {
    tally(true, tally_.split);
    const auto size = static_cast<size_t>(options_.max_length);
    for (size_t begin = 0; begin < row.ids.size(); begin += size) {
      const auto first = static_cast<std::ptrdiff_t>(begin);
      const auto last = static_cast<std::ptrdiff_t>(std::min(row.ids.size(), begin + size));
      FormattedRow piece;
      piece.ids.assign(row.ids.begin() + first, row.ids.begin() + last);
      piece.labels.assign(row.labels.begin() + first, row.labels.begin() + last);
      pieces.push_back(std::move(piece));
    }
  }

  /// False if nothing of it is scored.
  bool add_example(FormattedRow formatted) {
    const int64_t scored = scored_tokens(formatted.labels);
    if (scored == 0) {
      return false;
    }
    Example example;
    example.prompt_length = last_span(formatted.labels);
    example.ids = std::move(formatted.ids);
    example.labels = std::move(formatted.labels);
    example.row = static_cast<int64_t>(dataset_.examples.size());
    example.line = line_;
    example.file = static_cast<int32_t>(dataset_.files.size()) - 1;
    report().tokens += static_cast<int64_t>(example.ids.size());
    report().scored_tokens += scored;
    tally_.chat_examples += in_chat_;
    tally(in_chat_ && formatted.stop < 0, tally_.unstopped);
    tally(is_duplicate(example), tally_.duplicates);
    dataset_.examples.push_back(std::move(example));
    return true;
  }

  /// True for an example that was there before; remembers a new one.
  bool is_duplicate(const Example& example) {
    const std::string_view bytes(reinterpret_cast<const char*>(example.ids.data()),
                                 example.ids.size() * sizeof(int32_t));
    const size_t hash = std::hash<std::string_view>()(bytes);
    const auto [begin, end] = seen_.equal_range(hash);
    const bool found = std::any_of(begin, end, [&](const auto& entry) {
      const Example& earlier = dataset_.examples[entry.second];
      return earlier.ids == example.ids && earlier.labels == example.labels;
    });
    if (!found) {
      seen_.emplace(hash, dataset_.examples.size());
    }
    return found;
  }

  std::string file_names() const {
    std::vector<std::string> names;
    for (const auto& file : dataset_.files) {
      names.push_back(file.string());
    }
    return join(names, ", ");
  }

  const DataOptions& options_;
  PromptFormat format_;
  Dataset dataset_;
  DataTally tally_;
  Sha256 hash_;       // of the files' bytes, one after the other
  std::string name_;  // of the file at hand
  int64_t line_ = 0;  // of the row at hand
  bool in_chat_ = false;
  std::unordered_multimap<size_t, size_t> seen_;  // hash of the ids -> example
};

}  // namespace

Dataset load_dataset(const std::vector<DataSource>& sources, const DataOptions& options,
                     const TextPipeline& pipeline) {
  DatasetBuilder builder(options, pipeline);
  for (const DataSource& source : sources) {
    builder.add_file(source);
  }
  return builder.take();
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
