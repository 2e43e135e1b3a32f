#include "peft/data/data_tally.h"

#include <fmt/format.h>

#include <string_view>

#include "peft/util/text.h"

namespace peft {
namespace {

constexpr double kMaxUnscored = 0.01;  // share of rows without a scored token
constexpr double kMinStopped = 0.95;   // share of answers that end in a stop token
constexpr int64_t kShownPlaces = 10;

std::string share(int64_t part, int64_t whole) {
  const double percent =
      whole == 0 ? 0.0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
  return fmt::format("{:.1f} %", percent);
}

/// A model that never sees a stop token at the end of an answer never learns to stop.
std::string stops_refusal(const DataTally& tally, const DataOptions& options,
                          const std::string& files) {
  const int64_t stopped = tally.chat_examples - tally.unstopped.count();
  if (static_cast<double>(stopped) >= kMinStopped * static_cast<double>(tally.chat_examples)) {
    return "";
  }
  return fmt::format(
      "{}: {} of {} answers ({}) do not end with a stop token, so the model would not learn to "
      "stop; {}",
      files, with_commas(tally.unstopped.count()), with_commas(tally.chat_examples),
      share(tally.unstopped.count(), tally.chat_examples),
      tally.cut.count() > 0
          ? fmt::format("{} were cut at {} tokens: raise data.max_length or set data.overflow to "
                        "\"drop\"",
                        with_commas(tally.cut.count()), with_commas(options.max_length))
          : "the chat template writes none behind an answer: use another data.chat_template");
}

/// "rows cut at 512 tokens: 3 (d.jsonl:4, 9, 12)".
void note(DataReport& report, const RowPlaces& places, std::string_view what) {
  if (places.count() == 0) {
    return;
  }
  report.notes.push_back(
      places.count() == report.rows
          ? fmt::format("{}: all {}", what, with_commas(places.count()))
          : fmt::format("{}: {} ({})", what, with_commas(places.count()), places.text()));
}

}  // namespace

void RowPlaces::add(const std::string& file, int64_t line) {
  if (++count_ > kShownPlaces) {
    return;
  }
  if (!shown_.empty()) {
    shown_ += ", ";
  }
  shown_ += file == file_ ? fmt::format("{}", line) : fmt::format("{}:{}", file, line);
  file_ = file;
}

std::string RowPlaces::text() const {
  return count_ <= kShownPlaces
             ? shown_
             : fmt::format("{} and {} more", shown_, with_commas(count_ - kShownPlaces));
}

std::string refusal(const DataTally& tally, const DataReport& report, const DataOptions& options,
                    const std::string& files) {
  const int64_t unscored = tally.unscored.count();
  if (report.examples == 0 && unscored == 0) {
    return report.bad_rows == report.rows
               ? fmt::format("{}: nothing to train on: all {} rows break their shape", files,
                             with_commas(report.rows))
               : fmt::format(
                     "{}: nothing to train on: all {} rows are longer than "
                     "data.max_length {}",
                     files, with_commas(report.rows), with_commas(options.max_length));
  }
  const bool too_many =
      static_cast<double>(unscored) > kMaxUnscored * static_cast<double>(report.rows);
  if (report.examples == 0 || too_many) {
    const bool all_cut = tally.unscored_cut == unscored;
    return fmt::format(
        "{}: {} of {} rows ({}) have no supervised token{}; {}", files, with_commas(unscored),
        with_commas(report.rows), share(unscored, report.rows),
        all_cut ? fmt::format(" after truncation to {}", with_commas(options.max_length)) : "",
        all_cut ? "raise data.max_length or set data.overflow to \"drop\""
                : fmt::format("remove {}, or change data.train_on", tally.unscored.text()));
  }
  return stops_refusal(tally, options, files);
}

void describe_tally(const DataTally& tally, const DataOptions& options, DataReport& report) {
  report.truncated = tally.cut.count();
  report.dropped_too_long = tally.too_long.count();
  report.dropped_unscored = tally.unscored.count();
  report.without_stop = tally.unstopped.count();
  report.split_per_turn = tally.per_turn.count();
  report.duplicates = tally.duplicates.count();
  report.contradicting_labels = tally.contradicting.count();
  report.calls_ignored = tally.calls_ignored.count();
  report.other_labels = tally.other_labels.count();
  report.special_in_text = tally.special.count();

  report.places = {{"bad_rows", tally.bad.text()},
                   {"truncated", tally.cut.text()},
                   {"dropped_too_long", tally.too_long.text()},
                   {"dropped_unscored", tally.unscored.text()},
                   {"without_stop", tally.unstopped.text()},
                   {"duplicates", tally.duplicates.text()},
                   {"contradicting_labels", tally.contradicting.text()},
                   {"calls_ignored", tally.calls_ignored.text()},
                   {"other_labels", tally.other_labels.text()},
                   {"special_in_text", tally.special.text()}};

  const std::string limit = with_commas(options.max_length);
  note(report, tally.bad, "bad rows, passed over");
  note(report, tally.cut, fmt::format("rows cut at {} tokens", limit));
  note(report, tally.too_long, fmt::format("rows longer than {} tokens, dropped", limit));
  note(report, tally.split, fmt::format("rows split in pieces of {} tokens", limit));
  if (tally.lost_tokens > 0) {
    report.notes.push_back(fmt::format("tokens lost that way: {}, {} of all",
                                       with_commas(tally.lost_tokens),
                                       share(tally.lost_tokens, tally.all_tokens)));
  }
  note(report, tally.unscored, "rows without a supervised token, dropped");
  note(report, tally.unstopped, "rows whose last answer ends without a stop token");
  note(report, tally.by_offsets,
       "rows with tokens that merge over the border of an answer, found by characters");
  note(report, tally.per_turn,
       "rows turned into one example per answer, as the chat template rewrites earlier turns");
  note(report, tally.duplicates, "exact duplicates of an earlier row");
  note(report, tally.contradicting, "rows with the text of an earlier row and another label");
  note(report, tally.weighted, "rows with tokens that count less or more than others");
  note(report, tally.special,
       fmt::format("rows with the spelling of a special token in their own text, which {}",
                   options.special_in_text == "plain" ? "stays text" : "becomes that token"));
  note(report, tally.tools_ignored, "rows with tools, which the chat template does not read");
  note(report, tally.calls_ignored, "rows with tool_calls, which the chat template does not write");
  note(report, tally.other_labels,
       "rows whose labels are other tokens than their ids (a label belongs at its own id's place; "
       "the shift by one is made here)");
  note(report, tally.without_bos,
       "rows without the BOS that the tokenizer adds to text, as the chat template writes none");
  note(report, tally.extra_bos, "rows that begin with a BOS of their own, of which one was kept");
  note(report, tally.glued,
       "rows without white space between prompt and completion, which are joined as they are "
       "(--set data.format=chat uses the chat template)");
}

}  // namespace peft
