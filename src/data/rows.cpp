#include "peft/data/rows.h"

#include <algorithm>

#include "peft/util/text.h"

namespace peft {
namespace {

constexpr std::string_view kSpace = " \t\r\n";

/// End of the list element that begins at `begin`: the comma or bracket behind it, or the end of
/// the text. Only nesting and strings matter here; the parser judges the rest.
size_t element_end(std::string_view text, size_t begin) {
  int64_t depth = 0;
  for (size_t i = begin; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') {
      for (++i; i < text.size() && text[i] != '"'; ++i) {
        i += text[i] == '\\';
      }
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (depth == 0 && (c == ',' || c == ']')) {
      return i;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return text.size();
}

}  // namespace

RowReader::RowReader(std::string_view text, std::string where)
    : text_(text), where_(std::move(where)) {
  had_byte_order_mark_ = text.starts_with("\xEF\xBB\xBF");
  if (had_byte_order_mark_) {
    offset_ = 3;
  }
  skip_space();
  is_list_ = offset_ < text_.size() && text_[offset_] == '[';
  if (is_list_) {
    ++offset_;
  }
}

std::optional<Row> RowReader::next() {
  if (is_done_) {
    return std::nullopt;
  }
  return is_list_ ? next_element() : next_line();
}

void RowReader::advance_to(size_t offset) {
  line_ += std::count(text_.begin() + static_cast<std::ptrdiff_t>(offset_),
                      text_.begin() + static_cast<std::ptrdiff_t>(offset), '\n');
  offset_ = offset;
}

void RowReader::skip_space() {
  advance_to(std::min(text_.find_first_not_of(kSpace, offset_), text_.size()));
}

Row RowReader::parse(size_t begin, size_t end) {
  check<DataError>(end - begin <= kLargestRow,
                   "{}:{}: expected a row of at most {} bytes, found {}", where_, line_,
                   with_commas(kLargestRow), with_commas(static_cast<int64_t>(end - begin)));
  std::optional<JsonFault> fault;
  Json value =
      parse_json(text_.substr(begin, end - begin), JsonLimits{.bytes = kLargestRow}, &fault);
  if (fault) {
    const size_t line_begin = text_.rfind('\n', begin) + 1;  // npos + 1 is 0
    const int64_t shift = fault->position.line == 1 ? static_cast<int64_t>(begin - line_begin) : 0;
    const bool spread = !is_list_ && at_first_;
    fail<DataError>("{}:{}:{}: {}{}", where_, line_ + fault->position.line - 1,
                    fault->position.column + shift, fault->message,
                    spread ? "; expected one JSON object per line, or a list of objects" : "");
  }
  check<DataError>(value.is_object(), "{}:{}: expected an object, found {}", where_, line_,
                   json_kind(value));
  at_first_ = false;
  return {std::move(value), line_};
}

std::optional<Row> RowReader::next_line() {
  skip_space();
  if (offset_ == text_.size()) {
    return std::nullopt;
  }
  const size_t end = std::min(text_.find('\n', offset_), text_.size());
  Row row = parse(offset_, end);
  advance_to(end);
  return row;
}

std::optional<Row> RowReader::next_element() {
  skip_space();
  const char found = offset_ < text_.size() ? text_[offset_] : '\0';
  if (found == ']') {
    ++offset_;
    skip_space();
    check<DataError>(offset_ == text_.size(), "{}:{}: expected nothing behind the list", where_,
                     line_);
    is_done_ = true;
    return std::nullopt;
  }
  if (!at_first_) {
    check<DataError>(found == ',', "{}:{}: expected a comma or the end of the list", where_, line_);
    ++offset_;
    skip_space();
  }
  const size_t end = element_end(text_, offset_);
  Row row = parse(offset_, end);
  advance_to(end);
  return row;
}

}  // namespace peft
