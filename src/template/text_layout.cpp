#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "peft/template/builtins.h"
#include "peft/template/operations.h"
#include "peft/template/python_text.h"
#include "peft/util/text.h"

namespace peft {
namespace {

using Value = TemplateValue;
using Given = TemplateArguments;

std::string fill(TemplateContext& context, std::string_view character, int64_t count) {
  const auto times = static_cast<size_t>(std::max<int64_t>(count, 0));
  context.check_text(times);
  context.expect_text(times * character.size());
  std::string text;
  for (size_t i = 0; i < times; ++i) {
    text += character;
  }
  return text;
}

enum class Padding { kLeft, kRight, kBoth };

// str.rjust, str.ljust and str.center.
template <Padding kPadding>
Value padded(TemplateContext& context, const Value& self, const Given& given) {
  const BoundArguments bound(context, "padding", given, {"width", "fillchar"}, 1);
  const std::string character = bound.text_or(1, " ");
  if (count_code_points(character) != 1) {
    context.refuse("The fill character must be exactly one character long");
  }
  const int64_t width = bound.integer_or(0, 0);
  const int64_t missing = std::max<int64_t>(width - count_code_points(self.text()), 0);
  // Python puts the odd character left where the width is odd.
  const int64_t left = kPadding == Padding::kLeft    ? missing
                       : kPadding == Padding::kRight ? 0
                                                     : missing / 2 + (missing & width & 1);
  return context.text(fill(context, character, left) + self.text() +
                      fill(context, character, missing - left));
}

Value zero_filled(TemplateContext& context, const Value& self, const Given& given) {
  const int64_t width = BoundArguments(context, "zfill", given, {"width"}, 1).integer_or(0, 0);
  std::string text = self.text();
  const std::string zeros = fill(context, "0", width - count_code_points(text));
  const bool is_signed = text.starts_with('-') || text.starts_with('+');
  return context.text(text.insert(is_signed ? 1 : 0, zeros));
}

Value expand_tabs(TemplateContext& context, const Value& self, const Given& given) {
  const int64_t size = BoundArguments(context, "expandtabs", given, {"tabsize"}).integer_or(0, 8);
  std::string text;
  int64_t column = 0;
  for (const std::string& character : characters(self.text())) {
    if (character == "\t") {
      const int64_t step = size > 0 ? size - column % size : 0;
      text += fill(context, " ", step);
      column += step;
    } else {
      text += character;
      column = character == "\n" || character == "\r" ? 0 : column + 1;
    }
    context.check_text(text.size());
  }
  return context.text(std::move(text));
}

Value swap_case(TemplateContext& context, const Value& self, const Given& given) {
  const BoundArguments bound(context, "swapcase", given, {});
  context.spend_characters(self.text().size());
  std::string text;
  for (const std::string& character : characters(self.text())) {
    size_t at = 0;
    const int found = python_case(next_code_point(character, at));
    text += found > 0 ? python_lower(character) : found < 0 ? python_upper(character) : character;
  }
  return context.text(std::move(text));
}

}  // namespace

TemplateMethod find_text_layout(std::string_view name) {
  static const std::unordered_map<std::string_view, TemplateMethod> kMethods = {
      {"center", padded<Padding::kBoth>},
      {"expandtabs", expand_tabs},
      {"ljust", padded<Padding::kRight>},
      {"rjust", padded<Padding::kLeft>},
      {"swapcase", swap_case},
      {"zfill", zero_filled}};
  const auto found = kMethods.find(name);
  return found == kMethods.end() ? nullptr : found->second;
}

}  // namespace peft
