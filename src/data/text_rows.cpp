#include "peft/data/rows.h"
#include "peft/data/text_window.h"
#include "peft/util/text.h"

namespace peft {
namespace {

constexpr std::string_view kBlank = " \t\r\f\v";

/// Plain text as rows with the one column "text".
class TextRows final : public RowSource {
 public:
  TextRows(const std::filesystem::path& file, TextSplit split) : window_(file), split_(split) {}

  std::optional<RawRow> next() override {
    if (split_ == TextSplit::kNone) {
      return whole_file();
    }
    while (at_blank_line()) {
      window_.pass(std::min(window_.find('\n') + 1, window_.text().size()));
    }
    if (window_.text().empty()) {
      return std::nullopt;
    }
    const size_t end = split_ == TextSplit::kLine ? window_.find('\n') : paragraph_end();
    return take(end);
  }

  Json parse(const RawRow& row) const override {
    check<DataError>(is_utf8(row.text), "{}:{}: expected UTF-8, found other bytes", window_.name(),
                     row.line);
    std::string text;
    text.reserve(row.text.size());
    for (size_t i = 0; i < row.text.size(); ++i) {
      const bool ends_line =
          row.text[i] == '\r' && (i + 1 == row.text.size() || row.text[i + 1] == '\n');
      if (!ends_line) {
        text += row.text[i];
      }
    }
    return {{"text", std::move(text)}};
  }

 private:
  std::optional<RawRow> whole_file() {
    while (window_.has_more() && window_.text().size() <= kLargestRow) {
      window_.extend();
    }
    if (window_.text().empty()) {
      return std::nullopt;
    }
    check<DataError>(!window_.has_more() && window_.text().size() <= kLargestRow,
                     "{}: more than {} bytes are too much for one row; set data.text_split to "
                     "\"blank_line\" or \"line\"",
                     window_.name(), with_commas(kLargestRow));
    return take(window_.text().size());
  }

  /// True at the start of a line that has nothing but white space, unless the file ends here.
  bool at_blank_line() {
    const size_t end = window_.find('\n');
    return !window_.text().empty() &&
           window_.text().substr(0, end).find_first_not_of(kBlank) == std::string_view::npos;
  }

  /// The line break in front of the next blank line, or the end.
  size_t paragraph_end() {
    size_t end = window_.find('\n');
    for (;;) {
      const size_t next_end = window_.find('\n', end + 1);
      const std::string_view text = window_.text();
      if (end >= text.size()) {
        return text.size();
      }
      const std::string_view line = text.substr(end + 1, next_end - end - 1);
      if (line.find_first_not_of(kBlank) == std::string_view::npos) {
        return end;
      }
      check_row_size(window_.name(), window_.line(), next_end);
      end = next_end;
    }
  }

  RawRow take(size_t bytes) {
    check_row_size(window_.name(), window_.line(), bytes);
    RawRow row{std::string(window_.text().substr(0, bytes)), window_.line(), window_.column()};
    window_.pass(bytes);
    return row;
  }

  TextWindow window_;
  TextSplit split_;
};

}  // namespace

std::unique_ptr<RowSource> open_text_rows(const std::filesystem::path& file, TextSplit split) {
  return std::make_unique<TextRows>(file, split);
}

}  // namespace peft
