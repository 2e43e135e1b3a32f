#include <fmt/format.h>

#include <unordered_map>

#include "peft/template/builtins.h"
#include "peft/template/operations.h"
#include "peft/template/python_text.h"
#include "peft/util/text.h"

namespace peft {
namespace {

using Value = TemplateValue;
using Given = TemplateArguments;

Value centered(TemplateContext& context, const Value& input, const Given& given) {
  const BoundArguments bound(context, "center", given, {"width"});
  Given width;
  width.positional.push_back(bound.value_or(0, Value::integer(80)));
  return find_text_layout("center")(context, context.text(to_text(context, input)), width);
}

// Jinja lets a text that is longer by no more than five characters pass as it is.
constexpr int64_t kLeeway = 5;

Value truncated(TemplateContext& context, const Value& input, const Given& given) {
  const BoundArguments bound(context, "truncate", given, {"length", "killwords", "end", "leeway"});
  if (!input.is_text()) {
    context.refuse(fmt::format("truncate: expected str, found {}", input.type_name()));
  }
  const std::string& text = input.text();
  const std::string end = bound.text_or(2, "...");
  const int64_t length = bound.integer_or(0, 255);
  const int64_t kept = length - count_code_points(end);
  const int64_t leeway = bound.integer_or(3, kLeeway);
  if (kept < 0 || leeway < 0) {
    context.refuse("truncate: expected a length of at least the end's, and a leeway");
  }
  context.spend_characters(text.size());
  if (count_code_points(text) - leeway <= length) {
    return input;
  }
  const std::string head = text.substr(0, code_point_offset(text, kept));
  const size_t word = bound.flag(1) ? std::string::npos : head.rfind(' ');
  return context.text(head.substr(0, word) + end);
}

}  // namespace

TemplateFilter find_layout_filter(std::string_view name) {
  static const std::unordered_map<std::string_view, TemplateFilter> kFilters = {
      {"center", centered}, {"truncate", truncated}};
  const auto found = kFilters.find(name);
  return found == kFilters.end() ? nullptr : found->second;
}

}  // namespace peft
