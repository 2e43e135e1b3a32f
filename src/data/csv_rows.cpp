#include <algorithm>
#include <set>

#include "peft/data/rows.h"
#include "peft/data/text_window.h"
#include "peft/util/text.h"

namespace peft {
namespace {

constexpr size_t kUnfinished = std::string_view::npos;

/// The grammar of RFC 4180, with any separator. A quote inside a field that does not begin with one
/// is an ordinary character. In tab-separated files, which often are not quoted at all, so is one
/// that opens a field without closing it on its line.
struct CsvGrammar {
  char separator = ',';
  bool quotes_end_on_their_line = false;

  bool ends_field(std::string_view text, size_t place) const {
    return place >= text.size() || text[place] == separator || text[place] == '\n' ||
           (text[place] == '\r' && (place + 1 >= text.size() || text[place + 1] == '\n'));
  }

  /// Place behind the quote that closes the field which opens at `begin`; kUnfinished when there
  /// is none.
  size_t quoted_end(std::string_view text, size_t begin) const {
    for (size_t i = begin + 1; i < text.size(); ++i) {
      if (text[i] == '"') {
        if (i + 1 < text.size() && text[i + 1] == '"') {
          ++i;
        } else if (!quotes_end_on_their_line || ends_field(text, i + 1)) {
          return i + 1;
        }
      } else if (text[i] == '\n' && quotes_end_on_their_line) {
        return kUnfinished;
      }
    }
    return kUnfinished;
  }

  /// Place behind the field that begins at `begin`; kUnfinished inside an open quote.
  size_t field_end(std::string_view text, size_t begin) const {
    if (begin < text.size() && text[begin] == '"') {
      const size_t end = quoted_end(text, begin);
      if (end != kUnfinished || !quotes_end_on_their_line) {
        return end;
      }
    }
    size_t end = begin;
    while (!ends_field(text, end)) {
      ++end;
    }
    return end;
  }
};

/// Removes the quotes around a field, and every second one of a pair inside.
std::string unquoted(std::string_view field, bool is_quoted) {
  if (!is_quoted) {
    return std::string(field);
  }
  std::string value;
  for (size_t i = 1; i + 1 < field.size(); ++i) {
    value += field[i];
    i += field[i] == '"' ? 1 : 0;
  }
  return value;
}

/// Rows under a header line, every value a string.
class CsvRows final : public RowSource {
 public:
  CsvRows(const std::filesystem::path& file, bool by_tabs) : window_(file) {
    const std::string_view first = window_.text().substr(0, window_.find('\n'));
    grammar_ = {by_tabs ? '\t' : separator_of(first), by_tabs};
    std::optional<RawRow> header = cut();
    check<DataError>(header.has_value(), "{}: expected a header line, found nothing",
                     window_.name());
    names_ = fields_of(*header);
    std::set<std::string> seen;
    for (size_t i = 0; i < names_.size(); ++i) {
      names_[i] = names_[i].empty() ? fmt::format("column {}", i + 1) : names_[i];
      check<DataError>(seen.insert(names_[i]).second,
                       "{}:{}: the column \"{}\" appears twice in the header", window_.name(),
                       header->line, escaped(names_[i]));
    }
  }

  std::optional<RawRow> next() override {
    std::optional<RawRow> row = cut();
    if (row) {
      row->is_first = is_first_;
      is_first_ = false;
    }
    return row;
  }

  Json parse(const RawRow& row) const override {
    std::vector<std::string> fields = fields_of(row);
    check<DataError>(fields.size() == names_.size(),
                     "{}:{}: expected {} fields as in the header, found {}", window_.name(),
                     row.line, names_.size(), fields.size());
    Json value = Json::object();
    for (size_t i = 0; i < names_.size(); ++i) {
      value[names_[i]] = std::move(fields[i]);
    }
    return value;
  }

  std::vector<std::string> notes() const override {
    return grammar_.separator == ',' || grammar_.quotes_end_on_their_line
               ? std::vector<std::string>()
               : std::vector{fmt::format("{}: fields are separated by \"{}\"", window_.name(),
                                         escaped(std::string(1, grammar_.separator)))};
  }

 private:
  /// A comma, unless the header has none and another usual separator instead.
  static char separator_of(std::string_view header) {
    if (header.find(',') == std::string_view::npos) {
      for (const char other : {'\t', ';', '|'}) {
        if (header.find(other) != std::string_view::npos) {
          return other;
        }
      }
    }
    return ',';
  }

  /// The next record that is not an empty line.
  std::optional<RawRow> cut() {
    if (!window_.skip("\r\n")) {
      return std::nullopt;
    }
    size_t end = 0;
    for (;;) {
      const size_t field = grammar_.field_end(window_.text(), end);
      const bool at_edge = field == kUnfinished || field + 1 >= window_.text().size();
      if (at_edge && window_.has_more()) {
        check_row_size(window_.name(), window_.line(), window_.text().size());
        window_.extend();
        continue;
      }
      check<DataError>(field != kUnfinished, "{}:{}: a quote in this row is never closed",
                       window_.name(), window_.line());
      if (field < window_.text().size() && window_.text()[field] == grammar_.separator) {
        end = field + 1;
        continue;
      }
      // Whatever stands behind a closing quote stays in the row, for `fields_of` to refuse.
      end = window_.find('\n', field);
      break;
    }
    check_row_size(window_.name(), window_.line(), end);
    RawRow row{std::string(window_.text().substr(0, end)), window_.line(), window_.column()};
    window_.pass(end);
    return row;
  }

  std::vector<std::string> fields_of(const RawRow& row) const {
    check<DataError>(is_utf8(row.text), "{}:{}: expected UTF-8, found other bytes", window_.name(),
                     row.line);
    std::string_view text = row.text;
    text.remove_suffix(text.ends_with('\r') ? 1 : 0);
    std::vector<std::string> fields;
    for (size_t begin = 0;;) {
      const size_t end = grammar_.field_end(text, begin);
      check<DataError>(end != kUnfinished && grammar_.ends_field(text, end),
                       "{}:{}: field {}: expected a separator behind the closing quote",
                       window_.name(), row.line, fields.size() + 1);
      const std::string_view field = text.substr(begin, end - begin);
      fields.push_back(unquoted(field, is_quoted(text, begin, end)));
      if (end >= text.size()) {
        return fields;
      }
      begin = end + 1;
    }
  }

  bool is_quoted(std::string_view text, size_t begin, size_t end) const {
    return begin < text.size() && text[begin] == '"' && grammar_.quoted_end(text, begin) == end;
  }

  TextWindow window_;
  CsvGrammar grammar_;
  std::vector<std::string> names_;
  bool is_first_ = true;
};

}  // namespace

std::unique_ptr<RowSource> open_csv_rows(const std::filesystem::path& file, bool by_tabs) {
  return std::make_unique<CsvRows>(file, by_tabs);
}

}  // namespace peft
