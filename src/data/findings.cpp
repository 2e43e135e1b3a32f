#include "peft/data/findings.h"

#include "peft/util/text.h"

namespace peft {
namespace {

/// Collects findings that were met at all.
class FindingList {
 public:
  void add(const std::string& kind, int64_t count, const std::string& text) {
    if (count > 0) {
      list_.push_back({kind, count, text});
    }
  }
  /// "3 rows are cut (d.jsonl:3, 9, 12)".
  void add_rows(const std::string& kind, int64_t rows, std::string_view what,
                const std::string& places) {
    add(kind, rows, fmt::format("{} {} ({})", row_count(rows), what, places));
  }
  static std::string row_count(int64_t rows) {
    return fmt::format("{} {}", with_commas(rows), rows == 1 ? "row" : "rows");
  }
  std::vector<Finding> take() { return std::move(list_); }

 private:
  std::vector<Finding> list_;
};

/// Counts of a report that are findings, under their names there.
struct CountedRows {
  const char* kind;
  const char* field;
  int64_t DataReport::*count;
  const char* what;
};
constexpr CountedRows kCountedRows[] = {
    {"bad_rows", "bad_rows", &DataReport::bad_rows, "breaking the shape"},
    {"unsupervised", "dropped_unscored", &DataReport::dropped_unscored,
     "without a supervised token, dropped"},
    {"no_stop", "without_stop", &DataReport::without_stop,
     "with a last answer that ends in no stop token"},
    {"truncated", "truncated", &DataReport::truncated, "cut at data.max_length"},
    {"too_long", "dropped_too_long", &DataReport::dropped_too_long,
     "longer than data.max_length, dropped"},
    {"calls_ignored", "calls_ignored", &DataReport::calls_ignored,
     "with tool_calls, which the chat template does not write"},
    {"other_labels", "other_labels", &DataReport::other_labels,
     "with labels that are other tokens than their ids"},
    {"special_in_text", "special_in_text", &DataReport::special_in_text,
     "with the spelling of a special token in its own text"},
    {"contradicting_labels", "contradicting_labels", &DataReport::contradicting_labels,
     "with the text of an earlier row and another label"},
    {"duplicates", "duplicates", &DataReport::duplicates, "equal to an earlier row"}};

RowPlaces places_of(const CheckedData& data) {
  RowPlaces places;
  for (const NearDuplicate& pair : data.near_duplicates) {
    const Example& example = data.examples[pair.place];
    places.add(data.files[static_cast<size_t>(example.file)].string(), example.line);
  }
  return places;
}

std::string kind_text(const std::string& kind) {
  return kind == "e_mail"       ? "e-mail addresses"
         : kind == "phone"      ? "phone numbers"
         : kind == "card"       ? "card numbers"
         : kind == "ip_address" ? "IP addresses"
                                : "secret keys";
}

}  // namespace

std::vector<Finding> findings(const CheckedData& data) {
  const DataReport& report = data.report;
  FindingList list;
  for (const std::string& reason : report.refusals) {
    list.add("refused", 1, "training would refuse this: " + reason);
  }
  for (const CountedRows& counted : kCountedRows) {
    const auto places = report.places.find(counted.field);
    list.add_rows(counted.kind, report.*counted.count, counted.what,
                  places == report.places.end() ? "" : places->second);
  }
  const RowPlaces near = places_of(data);
  list.add_rows("near_duplicates", near.count(), "nearly equal to an earlier row", near.text());
  for (const PersonalDataCount& kind : data.personal) {
    list.add(kind.kind, kind.matches,
             fmt::format("{} {} in {} ({})", with_commas(kind.matches), kind_text(kind.kind),
                         FindingList::row_count(kind.rows.count()), kind.rows.text()));
  }
  return list.take();
}

std::vector<Finding> findings(const Overlap& overlap, std::span<const Example> held_out) {
  FindingList list;
  list.add("overlap", static_cast<int64_t>(overlap.exact.size() + overlap.near.size()),
           describe(overlap, held_out));
  return list.take();
}

const std::vector<std::string>& finding_kinds() {
  static const std::vector<std::string> kinds = {"contradicting_labels",
                                                 "refused",
                                                 "bad_rows",
                                                 "unsupervised",
                                                 "no_stop",
                                                 "truncated",
                                                 "too_long",
                                                 "duplicates",
                                                 "near_duplicates",
                                                 "overlap",
                                                 "calls_ignored",
                                                 "other_labels",
                                                 "special_in_text",
                                                 "e_mail",
                                                 "phone",
                                                 "card",
                                                 "ip_address",
                                                 "secret_key"};
  return kinds;
}

}  // namespace peft
