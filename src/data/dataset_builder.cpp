#include "dataset_builder.h"

#include <algorithm>
#include <utility>

#include "peft/util/text.h"

namespace peft {
namespace {

constexpr size_t kMostRefusals = 10;

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

/// Where the last answer lies: as the row says, or its last run of labels.
void set_answer(const FormattedRow& row, Example& example) {
  const auto length = static_cast<int64_t>(row.ids.size());
  const bool is_told = row.answer_begin >= 0 && row.answer_begin < length;
  example.prompt_length = is_told ? row.answer_begin : last_span(row.labels);
  example.answer_end = is_told ? std::min(row.answer_end, length) : example.prompt_length;
  while (!is_told && example.answer_end < length &&
         row.labels[static_cast<size_t>(example.answer_end)] != kIgnored) {
    ++example.answer_end;
  }
}

/// "labels: 77, from 35 (x) to 187 (y) rows each"
std::string describe_labels(const Dataset& dataset) {
  const std::vector<std::string>& names = dataset.label_names;
  std::vector<int64_t> rows(names.size());
  for (const Example& example : dataset.examples) {
    ++rows.at(static_cast<size_t>(example.label));
  }
  const auto [fewest, most] = std::minmax_element(rows.begin(), rows.end());
  return fmt::format("labels: {}, from {} ({}) to {} ({}) rows each", names.size(),
                     with_commas(*fewest), names[static_cast<size_t>(fewest - rows.begin())],
                     with_commas(*most), names[static_cast<size_t>(most - rows.begin())]);
}

bool is_conversation(RowShape shape) {
  return shape == RowShape::kChat || shape == RowShape::kInstruct;
}

}  // namespace

DatasetBuilder::DatasetBuilder(const DataOptions& options, TokenCacheWriter* writer)
    : options_(options), labels_(options.label_names), writer_(writer) {
  const std::vector<std::string> ways = {"truncate", "drop", "split", "error"};
  check<UsageError>(std::find(ways.begin(), ways.end(), options.overflow) != ways.end(),
                    "data.overflow: expected one of {}, found \"{}\"{}", join(ways, ", "),
                    options.overflow, did_you_mean(options.overflow, ways));
  check<UsageError>(options.max_length > 0, "data.max_length: expected a positive number, found {}",
                    options.max_length);
  check<UsageError>(options.skip_bad >= 0.0 && options.skip_bad < 1.0,
                    "data.skip_bad: expected a share from 0 up to 1, found {}", options.skip_bad);
}

void DatasetBuilder::begin_file(const std::filesystem::path& file, double weight) {
  name_ = file.string();
  dataset_.files.push_back(file);
  dataset_.weights.push_back(weight);
}

void DatasetBuilder::decide(const RowMapping& mapping) {
  shape_ = mapping.shape;
  const std::string shape(shape_name(mapping.shape));
  if (report().format.empty()) {
    report().format = shape;
    report().decision = mapping.decision;
  } else {
    report().format = report().format == shape ? shape : "mixed";
    report().decision += fmt::format("; {}: {}", name_, mapping.decision);
  }
  check<UsageError>(options_.overflow != "split" || mapping.shape == RowShape::kText,
                    "data.overflow: \"split\" cuts text rows in pieces, and {} holds {} rows; use "
                    "truncate, drop or error",
                    name_, shape);
}

void DatasetBuilder::add(FormattedLine&& row) {
  ++report().rows;
  line_ = row.line;
  if (!row.fault.empty()) {
    refuse_or_pass_over(row.fault);
    return;
  }
  FormattedSource& source = row.source;
  if (source.special_in_text && options_.special_in_text == "error") {
    refuse_special_text();
  }
  tally_source(source);
  cut_off_.clear();
  const bool was_cut = fit(source);
  bool any = source.rows.empty();
  for (FormattedRow& formatted : source.rows) {
    any = add_example(std::move(formatted), source) || any;
  }
  tally(!any, tally_.unscored);
  tally_.unscored_cut += !any && was_cut;
}

Dataset DatasetBuilder::finish(bool trains) {
  report().examples = static_cast<int64_t>(dataset_.examples.size());
  report().bad_rows = tally_.bad.count();
  const int64_t allowed =
      static_cast<int64_t>(options_.skip_bad * static_cast<double>(report().rows));
  if (report().bad_rows > allowed) {
    refuse(options_.skip_bad > 0.0
               ? fmt::format("{} of {} rows break their shape, more than data.skip_bad allows "
                             "({}); the first: {}",
                             with_commas(report().bad_rows), with_commas(report().rows),
                             with_commas(allowed), first_fault_)
               : first_fault_);
  }
  if (const std::string reason = refusal(tally_, report(), options_, file_names());
      !reason.empty()) {
    refuse(reason);
  }
  if (trains) {
    refuse_unused_column("weight", tally_.weight_keys);
    refuse_unused_column("train_detail", tally_.train_details);
  }
  describe_tally(tally_, options_, report());
  if (options_.task == Task::kClassification) {
    dataset_.label_names = labels_.arrange(dataset_.examples);
    if (!dataset_.examples.empty()) {
      report().notes.push_back(describe_labels(dataset_));
    }
  }
  return std::move(dataset_);
}

void DatasetBuilder::tally(bool happened, RowPlaces& places) const {
  if (happened) {
    places.add(name_, line_);
  }
}

void DatasetBuilder::tally_source(const FormattedSource& source) {
  tally(source.border == Border::kOffsets, tally_.by_offsets);
  tally(source.border == Border::kPerTurn, tally_.per_turn);
  tally(source.special_in_text, tally_.special);
  tally(source.tools_ignored, tally_.tools_ignored);
  tally(source.calls_ignored, tally_.calls_ignored);
  tally(source.other_labels, tally_.other_labels);
  tally(source.glued, tally_.glued);
  tally(source.extra_bos, tally_.extra_bos);
  tally(source.without_bos, tally_.without_bos);
  tally_.weight_keys += source.has_weight;
  tally_.train_details += source.has_train_detail;
}

void DatasetBuilder::refuse_or_pass_over(const std::string& fault) {
  check<DataError>(options_.skip_bad > 0.0 || !options_.refuses, "{}", fault);
  tally(true, tally_.bad);
  first_fault_ = first_fault_.empty() ? fault : first_fault_;
}

/// Ends here, or goes on and remembers why it should not.
void DatasetBuilder::refuse(const std::string& reason) {
  check<DataError>(!options_.refuses, "{}", reason);
  if (report().refusals.size() < kMostRefusals) {
    report().refusals.push_back(reason);
  }
}

/// A name that no message has would silently weigh nothing.
void DatasetBuilder::refuse_unused_column(const std::string& ours, int64_t rows_with_it) {
  if (rows_with_it == 0 && options_.columns.contains(ours)) {
    refuse(fmt::format("data.columns.{}: no message of {} has {}", ours, file_names(),
                       json_excerpt(options_.columns.at(ours))));
  }
}

void DatasetBuilder::refuse_special_text() {
  refuse(
      fmt::format("{}: the row's own text spells a special token, which would become that token; "
                  "change the row, or set data.special_in_text to \"parse\" or \"plain\"",
                  where()));
}

void DatasetBuilder::refuse_length(int64_t length) {
  refuse(
      fmt::format("{}: {} tokens do not fit data.max_length {}; raise it, or set data.overflow "
                  "to \"truncate\" or \"drop\"",
                  where(), with_commas(length), with_commas(options_.max_length)));
}

/// Applies data.overflow. True if an example was cut.
bool DatasetBuilder::fit(FormattedSource& source) {
  bool was_cut = source.taken_away > 0;
  tally(was_cut, tally_.cut);
  tally_.lost_tokens += static_cast<int64_t>(source.taken_away);
  tally_.all_tokens += static_cast<int64_t>(source.taken_away);
  std::vector<FormattedRow> fitting;
  for (FormattedRow& row : source.rows) {
    const auto length = static_cast<int64_t>(row.ids.size());
    tally_.all_tokens += length;
    report().longest = std::max(report().longest, length);
    if (length <= options_.max_length) {
      fitting.push_back(std::move(row));
      continue;
    }
    if (options_.overflow == "error") {
      refuse_length(length);
    }
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
  source.rows = std::move(fitting);
  return was_cut;
}

void DatasetBuilder::cut(FormattedRow& row) {
  const auto length = static_cast<size_t>(options_.max_length);
  tally(true, tally_.cut);
  tally_.lost_tokens += static_cast<int64_t>(row.ids.size() - length);
  cut_off_.assign(row.ids.begin() + static_cast<std::ptrdiff_t>(length), row.ids.end());
  row.ids.resize(length);
  row.labels.resize(length);
  row.weights.resize(std::min(row.weights.size(), length));
  row.stop = row.stop < options_.max_length ? row.stop : -1;
  settle_weights(row);
}

void DatasetBuilder::split(const FormattedRow& row, std::vector<FormattedRow>& pieces) {
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
bool DatasetBuilder::add_example(FormattedRow formatted, const FormattedSource& source) {
  Example example;
  const bool classifies = options_.task != Task::kLanguageModel;
  const int64_t scored = classifies ? 1 : scored_tokens(formatted.labels);
  if (scored == 0) {
    return false;
  }
  if (classifies) {
    example.prompt_length = static_cast<int64_t>(formatted.ids.size());
  } else {
    set_answer(formatted, example);
  }
  if (options_.task == Task::kClassification) {
    example.label = labels_.number(source.label, where());
  }
  example.score = source.score;
  const bool has_second = source.second_type < static_cast<int64_t>(formatted.ids.size());
  example.second_type = has_second ? source.second_type : 0;  // the rest may have been cut off
  example.ids = std::move(formatted.ids);
  example.labels = std::move(formatted.labels);
  example.weights = std::move(formatted.weights);
  example.row = static_cast<int64_t>(dataset_.examples.size());
  example.line = line_;
  example.file = static_cast<int32_t>(dataset_.files.size()) - 1;
  if (!cut_off_.empty() && dataset_.examples.size() < options_.keep_cut) {
    dataset_.cut_off[example.row] = std::exchange(cut_off_, {});
  }
  report().tokens += static_cast<int64_t>(example.ids.size());
  report().scored_tokens += scored;
  tally_.chat_examples += is_conversation(shape_);
  tally(is_conversation(shape_) && formatted.stop < 0, tally_.unstopped);
  tally(!example.weights.empty(), tally_.weighted);
  tally(digests_.seen(example), tally_.duplicates);
  tally(classifies && digests_.contradicts(example), tally_.contradicting);
  if (writer_ != nullptr) {
    writer_->append(example);
    example.ids = {};
    example.labels = {};
    example.weights = {};
  }
  dataset_.examples.push_back(std::move(example));
  return true;
}

std::string DatasetBuilder::file_names() const {
  std::vector<std::string> names;
  for (const auto& file : dataset_.files) {
    names.push_back(file.string());
  }
  return join(names, ", ");
}

}  // namespace peft
