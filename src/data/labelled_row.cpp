#include "labelled_row.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "peft/data/plain_text.h"
#include "peft/util/text.h"

namespace peft {
namespace {

/// A label's name: a string, or the spelling of an integer or a boolean.
std::string read_label(const Json& label, const std::string& where) {
  check<DataError>(label.is_string() || label.is_number_integer() || label.is_boolean(),
                   "{}: label: expected a string, an integer, true or false, found {}", where,
                   json_excerpt(label));
  const std::string name = label.is_string() ? label.get<std::string>() : label.dump();
  check<DataError>(!without_space(name).empty(), "{}: label: expected a label, found {}", where,
                   json_excerpt(label));
  return name;
}

/// A number, which a CSV file has as text.
float read_score(const Json& label, const std::string& where) {
  float score = label.is_number() ? label.get<float>() : std::nanf("");
  if (label.is_string()) {
    const std::string text = without_space(label.get<std::string>());
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), score);
    score = error == std::errc() && end == text.data() + text.size() ? score : std::nanf("");
  }
  check<DataError>(std::isfinite(score), "{}: label: expected a number, found {}", where,
                   json_excerpt(label));
  return score;
}

void read_target(const Json& label, const DataOptions& options, const std::string& where,
                 FormattedSource& source) {
  if (options.task == Task::kRegression) {
    source.score = read_score(label, where);
  } else {
    source.label = read_label(label, where);
  }
}

using Ids = std::vector<int32_t>;

/// What stands around one text.
PairFrame frame_of_one(const Tokenizer& tokenizer) {
  const Encoding framed = tokenizer.encode("", /*add_special_tokens=*/true);
  const Encoding letter = tokenizer.encode("a", /*add_special_tokens=*/true);
  PairFrame frame;
  const auto added = [](const std::pair<int64_t, int64_t>& span) {
    return span.first == span.second;
  };
  const auto text = std::find_if_not(letter.offsets.begin(), letter.offsets.end(), added);
  const auto before =
      std::min(text - letter.offsets.begin(), static_cast<std::ptrdiff_t>(framed.ids.size()));
  frame.before.assign(framed.ids.begin(), framed.ids.begin() + before);
  frame.behind.assign(framed.ids.begin() + before, framed.ids.end());
  return frame;
}

/// Lengths of two texts that share `room` tokens, as `longest_first` of the tokenizers library.
std::pair<size_t, size_t> shared_room(size_t first, size_t second, size_t room) {
  if (first + second <= room) {
    return {first, second};
  }
  auto shorter = std::min(first, second);
  auto longer = shorter > room ? shorter : std::max(shorter, room - shorter);
  if (shorter + longer > room) {
    shorter = room / 2;
    longer = shorter + room % 2;
  }
  return first > second ? std::pair(longer, shorter) : std::pair(shorter, longer);
}

void append(Ids& all, const Ids& more, size_t count) {
  all.insert(all.end(), more.begin(), more.begin() + static_cast<std::ptrdiff_t>(count));
}

}  // namespace

TextFrames text_frames(const Tokenizer& tokenizer) {
  return {frame_of_one(tokenizer), tokenizer.pair_frame()};
}

FormattedSource labelled_tokens(std::vector<int32_t> ids, const Json& row,
                                const RowMapping& mapping, const DataOptions& options,
                                const std::string& where) {
  FormattedSource source;
  const Json& types = mapping.column(row, "token_type_ids");
  check<DataError>(types.is_null() || (types.is_array() && types.size() == ids.size()),
                   "{}: token_type_ids: expected one for each of input_ids, found {}", where,
                   json_excerpt(types));
  const auto second = std::find(types.begin(), types.end(), Json(1));
  const bool is_pair = types.is_null() || (second != types.begin() &&
                                           std::count(types.begin(), second, Json(0)) +
                                                   std::count(second, types.end(), Json(1)) ==
                                               static_cast<std::ptrdiff_t>(types.size()));
  check<DataError>(is_pair, "{}: token_type_ids: expected zeros and, behind them, ones, found {}",
                   where, json_excerpt(types));
  source.second_type = second == types.end() ? 0 : second - types.begin();
  FormattedRow whole;
  whole.ids = std::move(ids);
  whole.labels.assign(whole.ids.size(), kIgnored);
  source.rows.push_back(std::move(whole));
  read_target(mapping.column(row, "label"), options, where, source);
  return source;
}

FormattedSource labelled_row(const Json& row, const RowMapping& mapping, const DataOptions& options,
                             const Tokenizer& tokenizer, const TextFrames& frames,
                             const std::string& where) {
  const bool has_second = mapping.columns.count("text_pair") != 0;
  const PairFrame& frame = has_second ? frames.two : frames.one;
  const auto encode = [&](const char* column) {
    const std::string text = text_column(row, mapping, column, where);
    const std::vector<TextSpan> plain(options.special_in_text == "plain" ? 1 : 0, {0, text.size()});
    return encode_plain(tokenizer, text, /*add_special_tokens=*/false, plain, where).ids;
  };
  const Ids first = encode("text");
  const Ids second = has_second ? encode("text_pair") : Ids();
  const size_t around = frame.before.size() + frame.between.size() + frame.behind.size();
  const auto limit = static_cast<size_t>(options.max_length);
  const bool cuts = options.overflow == "truncate" && limit >= around;
  const auto [kept, second_kept] = cuts ? shared_room(first.size(), second.size(), limit - around)
                                        : std::pair(first.size(), second.size());
  FormattedSource source;
  source.taken_away = first.size() - kept + second.size() - second_kept;
  FormattedRow whole;
  append(whole.ids, frame.before, frame.before.size());
  append(whole.ids, first, kept);
  if (frame.second_type) {
    source.second_type = static_cast<int64_t>(whole.ids.size() + *frame.second_type);
  }
  append(whole.ids, frame.between, frame.between.size());
  append(whole.ids, second, second_kept);
  append(whole.ids, frame.behind, frame.behind.size());
  whole.labels.assign(whole.ids.size(), kIgnored);
  source.rows.push_back(std::move(whole));
  read_target(mapping.column(row, "label"), options, where, source);
  return source;
}

}  // namespace peft
