#include "peft/data/dataset.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <unordered_map>
#include <utility>

#include "peft/data/prompt_format.h"
#include "peft/data/stop_tokens.h"
#include "peft/util/text.h"

namespace peft {
namespace {

constexpr double kMaxUnscored = 0.01;  // share of rows without a scored token
constexpr double kMinStopped = 0.95;   // share of chat rows that end in a stop token

/// Rows to which something happened: how many, and where the first of them are.
class Places {
 public:
  void add(const std::string& where) {
    if (++count_ <= kShown) {
      shown_.push_back(where);
    }
  }
  int64_t count() const { return count_; }
  /// "a.jsonl:3, a.jsonl:9 and 12 more".
  std::string text() const {
    const std::string more =
        count_ > kShown ? fmt::format(" and {} more", with_commas(count_ - kShown)) : "";
    return join(shown_, ", ") + more;
  }

 private:
  static constexpr int64_t kShown = 10;
  int64_t count_ = 0;
  std::vector<std::string> shown_;
};

std::string share(int64_t part, int64_t whole) {
  return fmt::format(
      "{:.1f} %",
      whole == 0 ? 0.0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole));
}

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
    const std::string name = source.path.string();
    check<UsageError>(source.weight > 0.0 && source.weight <= 1000.0,
                      "{}: weight: expected a number above 0 and up to 1000, found {}", name,
                      source.weight);
    const std::string text = read_text<DataError>(source.path, std::numeric_limits<size_t>::max());
    RowReader reader(text, name);
    if (reader.had_byte_order_mark()) {
      note("{}: a byte-order mark at the start was passed over", name);
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
      const std::string where = fmt::format("{}:{}", name, row->line);
      if (!mapping) {
        mapping = detect_mapping(row->value, options_, where);
        decide(name, *mapping);
      }
      add_row(*row, *mapping, where);
    }
    check<DataError>(mapping.has_value(), "{}: expected rows, found none", name);
  }

  Dataset take() {
    check_guards();
    note_what_happened();
    return std::move(dataset_);
  }

 private:
  DataReport& report() { return dataset_.report; }

  template <class... Args>
  void note(fmt::format_string<Args...> text, Args&&... args) {
    report().notes.push_back(fmt::format(text, std::forward<Args>(args)...));
  }

  void decide(const std::string& file, const RowMapping& mapping) {
    const std::string shape(shape_name(mapping.shape));
    const bool first = report().format.empty();
    if (first) {
      report().format = shape;
      report().decision = mapping.decision;
    } else {
      report().format = report().format == shape ? shape : "mixed";
      report().decision += fmt::format("; {}: {}", file, mapping.decision);
    }
    check<UsageError>(
        options_.overflow != "split" || mapping.shape == RowShape::kText,
        "data.overflow: \"split\" cuts text rows in pieces, and {} holds {} rows; use "
        "truncate, drop or error",
        file, shape);
  }

  void add_row(const Row& row, const RowMapping& mapping, const std::string& where) {
    ++report().rows;
    FormattedSource source = format_.format(row.value, mapping, where);
    if (source.border == Border::kOffsets) {
      by_offsets_.add(where);
    }
    if (source.border == Border::kPerTurn) {
      per_turn_.add(where);
    }
    if (source.special_in_text) {
      special_.add(where);
    }
    if (source.tools_ignored) {
      tools_ignored_.add(where);
    }
    if (source.glued) {
      glued_.add(where);
    }
    if (source.extra_bos) {
      extra_bos_.add(where);
    }
    in_chat_ = mapping.shape == RowShape::kChat || mapping.shape == RowShape::kInstruct;
    bool any = false;
    const bool was_cut = fit(source.rows, where);
    for (FormattedRow& formatted : source.rows) {
      any = add_example(std::move(formatted), row, where) || any;
    }
    if (!any && !source.rows.empty()) {
      unscored_.add(where);
      unscored_cut_ += was_cut;
    }
  }

  /// Applies data.overflow. True if an example was cut.
  bool fit(std::vector<FormattedRow>& rows, const std::string& where) {
    bool was_cut = false;
    std::vector<FormattedRow> fitting;
    for (FormattedRow& row : rows) {
      const auto length = static_cast<int64_t>(row.ids.size());
      all_tokens_ += length;
      report().longest = std::max(report().longest, length);
      if (length <= options_.max_length) {
        fitting.push_back(std::move(row));
        continue;
      }
      check<DataError>(
          options_.overflow != "error",
          "{}: {} tokens do not fit data.max_length {}; raise it, or set data.overflow "
          "to \"truncate\" or \"drop\"",
          where, with_commas(length), with_commas(options_.max_length));
      if (options_.overflow == "drop") {
        ++report().dropped_too_long;
        lost_tokens_ += length;
      } else if (options_.overflow == "split") {
        split(row, fitting);
      } else {
        was_cut = true;
        ++report().truncated;
        lost_tokens_ += length - options_.max_length;
        row.ids.resize(static_cast<size_t>(options_.max_length));
        row.labels.resize(static_cast<size_t>(options_.max_length));
        row.stop = row.stop < options_.max_length ? row.stop : -1;
        fitting.push_back(std::move(row));
      }
    }
    rows = std::move(fitting);
    return was_cut;
  }

  void split(const FormattedRow& row, std::vector<FormattedRow>& pieces) {
    ++split_rows_;
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
  bool add_example(FormattedRow formatted, const Row& row, const std::string& where) {
    const int64_t scored = scored_tokens(formatted.labels);
    if (scored == 0) {
      return false;
    }
    Example example;
    example.prompt_length = last_span(formatted.labels);
    example.ids = std::move(formatted.ids);
    example.labels = std::move(formatted.labels);
    example.row = static_cast<int64_t>(dataset_.examples.size());
    example.line = row.line;
    example.file = static_cast<int32_t>(dataset_.files.size()) - 1;
    report().tokens += static_cast<int64_t>(example.ids.size());
    report().scored_tokens += scored;
    chat_examples_ += in_chat_;
    if (in_chat_ && formatted.stop < 0) {
      unstopped_.add(where);
    }
    count_duplicate(example, where);
    dataset_.examples.push_back(std::move(example));
    return true;
  }

  void count_duplicate(const Example& example, const std::string& where) {
    const std::string_view bytes(reinterpret_cast<const char*>(example.ids.data()),
                                 example.ids.size() * sizeof(int32_t));
    const auto [begin, end] = seen_.equal_range(std::hash<std::string_view>()(bytes));
    for (auto it = begin; it != end; ++it) {
      const Example& earlier = dataset_.examples[it->second];
      if (earlier.ids == example.ids && earlier.labels == example.labels) {
        duplicates_.add(where);
        return;
      }
    }
    seen_.emplace(std::hash<std::string_view>()(bytes), dataset_.examples.size());
  }

  std::string file_names() const {
    std::vector<std::string> names;
    for (const auto& file : dataset_.files) {
      names.push_back(file.string());
    }
    return join(names, ", ");
  }

  void check_guards() {
    const int64_t rows = report().rows;
    const int64_t unscored = unscored_.count();
    const bool nothing = dataset_.examples.empty();
    const bool too_many = static_cast<double>(unscored) > kMaxUnscored * static_cast<double>(rows);
    if (nothing && unscored == 0) {
      fail<DataError>("{}: nothing to train on: all {} rows are longer than data.max_length {}",
                      file_names(), with_commas(rows), with_commas(options_.max_length));
    }
    if (nothing || too_many) {
      const bool all_cut = unscored_cut_ == unscored;
      fail<DataError>(
          "{}: {} of {} rows ({}) have no supervised token{}; {}", file_names(),
          with_commas(unscored), with_commas(rows), share(unscored, rows),
          all_cut ? fmt::format(" after truncation to {}", with_commas(options_.max_length)) : "",
          all_cut ? "raise data.max_length or set data.overflow to \"drop\""
                  : fmt::format("remove {}, or change data.train_on", unscored_.text()));
    }
    check_stops();
  }

  /// A model that never sees a stop token at the end of an answer never learns to stop.
  void check_stops() {
    const int64_t stopped = chat_examples_ - unstopped_.count();
    if (static_cast<double>(stopped) >= kMinStopped * static_cast<double>(chat_examples_)) {
      return;
    }
    fail<DataError>(
        "{}: {} of {} answers ({}) do not end with a stop token, so the model would not learn to "
        "stop; {}",
        file_names(), with_commas(unstopped_.count()), with_commas(chat_examples_),
        share(unstopped_.count(), chat_examples_),
        report().truncated > 0
            ? fmt::format("{} rows were cut at {}: raise data.max_length or set data.overflow to "
                          "\"drop\"",
                          with_commas(report().truncated), with_commas(options_.max_length))
            : "the chat template writes none behind an answer: use another data.chat_template");
  }

  void note_what_happened() {
    DataReport& counts = report();
    counts.examples = static_cast<int64_t>(dataset_.examples.size());
    counts.dropped_unscored = unscored_.count();
    counts.without_stop = unstopped_.count();
    counts.split_per_turn = per_turn_.count();
    counts.duplicates = duplicates_.count();
    counts.special_in_text = special_.count();
    note_overflow();
    note_places(unscored_, "have no supervised token and were dropped");
    note_places(unstopped_, "end their last answer without a stop token");
    note_places(by_offsets_,
                "have tokens that merge over the border of an answer; it was found by characters");
    note_places(per_turn_,
                "became one example per answer, because the chat template rewrites earlier turns");
    note_places(duplicates_, "repeat an earlier example exactly");
    note_places(special_,
                "hold the spelling of a special token in their own text, which becomes "
                "that token");
    note_places(tools_ignored_, "have tools, which the chat template does not read");
    note_places(extra_bos_,
                "begin with the BOS that the tokenizer adds; one of the two was taken "
                "away");
    note_places(glued_,
                "have no white space between prompt and completion, which are joined as "
                "they are; --set data.format=chat uses the chat template");
  }

  void note_overflow() {
    const std::string lost = fmt::format(
        "{} tokens, {} of all, are lost; the longest row has {}", with_commas(lost_tokens_),
        share(lost_tokens_, all_tokens_), with_commas(report().longest));
    if (report().truncated > 0) {
      note("{} rows were cut at {} tokens ({})", with_commas(report().truncated),
           with_commas(options_.max_length), lost);
    }
    if (report().dropped_too_long > 0) {
      note("{} rows longer than {} tokens were dropped ({})",
           with_commas(report().dropped_too_long), with_commas(options_.max_length), lost);
    }
    if (split_rows_ > 0) {
      note("{} rows were split in pieces of {} tokens; the longest row has {}",
           with_commas(split_rows_), with_commas(options_.max_length),
           with_commas(report().longest));
    }
  }

  void note_places(const Places& places, std::string_view what) {
    if (places.count() > 0) {
      note("{} rows {}: {}", with_commas(places.count()), what, places.text());
    }
  }

  const DataOptions& options_;
  PromptFormat format_;
  Dataset dataset_;
  Places unscored_, unstopped_, by_offsets_, per_turn_, duplicates_, special_, tools_ignored_,
      glued_, extra_bos_;
  int64_t unscored_cut_ = 0;
  int64_t all_tokens_ = 0;
  int64_t lost_tokens_ = 0;
  int64_t split_rows_ = 0;
  int64_t chat_examples_ = 0;
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
