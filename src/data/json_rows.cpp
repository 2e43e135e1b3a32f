#include "peft/data/rows.h"
#include "peft/data/text_window.h"

namespace peft {
namespace {

constexpr std::string_view kJsonSpace = " \t\r\n";

/// Finds the end of a list's element: the comma or bracket behind it. Only nesting and strings
/// matter here; the parser judges the rest. Works through a text that grows at its end.
class ElementEnd {
 public:
  /// True when the end lies in `text`.
  bool find(std::string_view text) {
    for (; place_ < text.size(); ++place_) {
      const char c = text[place_];
      if (in_string_) {
        in_string_ = escaped_ || c != '"';
        escaped_ = !escaped_ && c == '\\';
      } else if (c == '"') {
        in_string_ = true;
      } else if (c == '{' || c == '[') {
        ++depth_;
      } else if (depth_ == 0 && (c == ',' || c == ']')) {
        return true;
      } else if (c == '}' || c == ']') {
        --depth_;
      }
    }
    return false;
  }
  size_t place() const { return place_; }

 private:
  size_t place_ = 0;
  int64_t depth_ = 0;
  bool in_string_ = false;
  bool escaped_ = false;
};

/// A JSON list of objects, or one object per line.
class JsonRows final : public RowSource {
 public:
  explicit JsonRows(const std::filesystem::path& file) : window_(file) {
    is_list_ = window_.skip(kJsonSpace) && window_.text().front() == '[';
    if (is_list_) {
      window_.pass(1);
    }
  }

  std::optional<RawRow> next() override {
    const bool at_end = is_done_ || (!window_.skip(kJsonSpace) && !is_list_);
    if (at_end || (is_list_ && !go_to_element())) {
      return std::nullopt;
    }
    const size_t end = is_list_ ? element_end() : window_.find('\n');
    check_row_size(window_.name(), window_.line(), end);
    RawRow row{std::string(window_.text().substr(0, end)), window_.line(), window_.column(),
               is_first_};
    window_.pass(end);
    is_first_ = false;
    return row;
  }

  Json parse(const RawRow& row) const override {
    std::optional<JsonFault> fault;
    Json value = parse_json(row.text, JsonLimits{.bytes = kLargestRow}, &fault);
    if (fault) {
      const int64_t shift = fault->position.line == 1 ? row.column - 1 : 0;
      fail<DataError>("{}:{}:{}: {}{}", window_.name(), row.line + fault->position.line - 1,
                      fault->position.column + shift, fault->message,
                      !is_list_ && row.is_first
                          ? "; expected one JSON object per line, or a list of objects"
                          : "");
    }
    check<DataError>(value.is_object(), "{}:{}: expected an object, found {}", window_.name(),
                     row.line, json_kind(value));
    return value;
  }

  std::vector<std::string> notes() const override {
    return window_.had_byte_order_mark()
               ? std::vector{fmt::format("{}: the byte-order mark was passed over", window_.name())}
               : std::vector<std::string>();
  }

 private:
  /// Moves to the next element of the list; false behind the last one.
  bool go_to_element() {
    const auto here = [&] { return window_.text().empty() ? '\0' : window_.text().front(); };
    if (here() == ']') {
      window_.pass(1);
      const bool goes_on = window_.skip(kJsonSpace);
      check<DataError>(!goes_on, "{}:{}: expected nothing behind the list", window_.name(),
                       window_.line());
      is_done_ = true;
      return false;
    }
    if (!is_first_) {
      check<DataError>(here() == ',', "{}:{}: expected a comma or the end of the list",
                       window_.name(), window_.line());
      window_.pass(1);
      window_.skip(kJsonSpace);
    }
    return true;
  }

  size_t element_end() {
    ElementEnd end;
    while (!end.find(window_.text()) && window_.has_more() &&
           window_.text().size() <= TextWindow::kMost) {
      window_.extend();
    }
    return end.place();
  }

  TextWindow window_;
  bool is_list_ = false;
  bool is_first_ = true;
  bool is_done_ = false;
};

}  // namespace

std::unique_ptr<RowSource> open_json_rows(const std::filesystem::path& file) {
  return std::make_unique<JsonRows>(file);
}

}  // namespace peft
