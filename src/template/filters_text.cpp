#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <unordered_map>

#include "peft/template/builtins.h"
#include "peft/template/operations.h"
#include "peft/template/python_text.h"
#include "peft/util/text.h"

namespace peft {
namespace {

using Value = TemplateValue;
using Given = TemplateArguments;

template <std::string (*kConvert)(std::string_view)>
Value converted(TemplateContext& context, const Value& input, const Given& given) {
  const BoundArguments bound(context, "case conversion", given, {});
  const std::string text = to_text(context, input);
  context.spend_characters(text.size());
  return context.text(kConvert(text));
}

// The filter title begins words behind white space and opening brackets, str.title at every letter.
std::string title_words(std::string_view text) {
  std::string out;
  bool begins = true;
  for (const std::string& character : characters(text)) {
    size_t at = 0;
    const char32_t c = next_code_point(character, at);
    const bool breaks =
        is_python_space(c) ||
        (c < 0x80 && c != 0 &&
         std::string_view("-({[<").find(static_cast<char>(c)) != std::string_view::npos);
    out += breaks ? character : begins ? python_upper(character) : python_lower(character);
    begins = breaks;
  }
  return out;
}

Value trim(TemplateContext& context, const Value& input, const Given& given) {
  const BoundArguments bound(context, "trim", given, {"chars"});
  const std::string chars = bound.text_or(0, "");
  const std::string text = to_text(context, input);
  context.spend_characters(text.size());
  const bool by_space = bound[0] == nullptr || bound[0]->is_none();
  return context.text(std::string(python_strip(
      text, StripSides::kBoth, by_space ? std::nullopt : std::optional<std::string_view>(chars))));
}

Value replace(TemplateContext& context, const Value& input, const Given& given) {
  const BoundArguments bound(context, "replace", given, {"old", "new", "count"}, 2);
  const std::string text = to_text(context, input);
  const std::string from = to_text(context, *bound[0]);
  const std::string to = to_text(context, *bound[1]);
  const int64_t limit = bound.integer_or(2, -1);
  context.spend_search(2 * text.size(), from.size());
  const auto times = static_cast<size_t>(count_occurrences(text, from, limit < 0 ? -1 : limit));
  if (to.size() > 0 && times > context.limits().text_bytes / to.size()) {
    context.unsupported("a replacement grew too long");
  }
  context.expect_text(times * to.size());
  return context.text(python_replace(text, from, to, limit < 0 ? -1 : limit));
}

Value indent(TemplateContext& context, const Value& input, const Given& given) {
  const BoundArguments bound(context, "indent", given, {"width", "first", "blank"});
  if (!input.is_text()) {
    context.refuse(fmt::format("indent: expected str, found {}", input.type_name()));
  }
  const bool by_text = bound[0] != nullptr && bound[0]->is_text();
  const int64_t width = by_text ? 0 : std::max<int64_t>(bound.integer_or(0, 4), 0);
  context.expect_text(static_cast<size_t>(width));
  const std::string indention =
      by_text ? bound[0]->text() : std::string(static_cast<size_t>(width), ' ');
  const std::vector<std::string> lines = python_lines(input.text() + "\n");
  std::string out = bound.flag(1) ? indention : "";
  for (size_t i = 0; i < lines.size(); ++i) {
    out += i == 0 ? "" : "\n";
    out += i > 0 && (bound.flag(2) || !lines[i].empty()) ? indention : "";
    out += lines[i];
    context.spend_bytes(indention.size());
    context.check_text(out.size());
  }
  return context.text(std::move(out));
}

Value string(TemplateContext& context, const Value& input, const Given& given) {
  const BoundArguments bound(context, "string", given, {});
  return input.is_text() ? input : context.text(to_text(context, input));
}

template <bool kForce>
Value escape(TemplateContext& context, const Value& input, const Given& given) {
  const BoundArguments bound(context, "escape", given, {});
  if (input.is_markup() && !kForce) {
    return input;
  }
  std::string text = markup_escaped(to_text(context, input));
  context.expect_text(text.size());
  return Value::markup(std::move(text));
}

Value safe(TemplateContext& context, const Value& input, const Given& given) {
  const BoundArguments bound(context, "safe", given, {});
  return Value::markup(to_text(context, input));
}

Value format(TemplateContext& context, const Value& input, const Given& given) {
  if (!given.named.empty()) {
    context.unsupported("format: named arguments are not supported");
  }
  return context.text(format_percent(context, to_text(context, input),
                                     context.sequence(SequenceKind::kTuple, given.positional)));
}

Value tojson(TemplateContext& context, const Value& input, const Given& given) {
  const BoundArguments bound(context, "tojson", given,
                             {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style;
  style.ascii = bound.flag(0);
  style.sort_keys = bound.flag(3);
  if (bound[1] != nullptr && bound[1]->is_text()) {
    style.indent = bound[1]->text();
  } else if (bound[1] != nullptr && !bound[1]->is_none()) {
    const int64_t width = std::max<int64_t>(bound.integer_or(1, 0), 0);
    context.expect_text(static_cast<size_t>(width));
    style.indent = std::string(static_cast<size_t>(width), ' ');
  }
  if (style.indent) {
    style.item_separator = ",";
  }
  if (bound[2] != nullptr && !bound[2]->is_none()) {
    const std::vector<Value> pair = iterate(context, *bound[2]);
    if (pair.size() != 2 || !pair[0].is_text() || !pair[1].is_text()) {
      context.unsupported("tojson: expected two strings as separators");
    }
    style.item_separator = pair[0].text();
    style.key_separator = pair[1].text();
  }
  return context.text(to_json_text(context, input, style));
}

// What Python's float() reads of a text; absent where it raises ValueError.
std::optional<double> read_real(std::string_view text) {
  text = python_strip(text, StripSides::kBoth);
  const bool plus = text.starts_with('+');
  text.remove_prefix(plus ? 1 : 0);
  double value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = read.ec == std::errc() && read.ptr == text.data() + text.size();
  return whole && !(plus && text.starts_with('-')) ? std::optional(value) : std::nullopt;
}

std::optional<int64_t> read_integer(std::string_view text, int base) {
  text = python_strip(text, StripSides::kBoth);
  const bool plus = text.starts_with('+');
  text.remove_prefix(plus ? 1 : 0);
  int64_t value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value, base);
  const bool whole = read.ec == std::errc() && read.ptr == text.data() + text.size();
  return whole && !(plus && text.starts_with('-')) ? std::optional(value) : std::nullopt;
}

Value to_integer(TemplateContext& context, const Value& input, const Given& given) {
  const BoundArguments bound(context, "int", given, {"default", "base"});
  if (input.is_undefined()) {
    context.refuse(input.why_undefined());
  }
  const int64_t base = bound.integer_or(1, 10);
  if (base < 2 || base > 36) {
    context.unsupported("int: expected a base between 2 and 36");
  }
  std::optional<double> real;
  if (input.is_text()) {
    context.spend_characters(2 * input.text().size());
    if (const auto integer = read_integer(input.text(), static_cast<int>(base))) {
      return Value::integer(*integer);
    }
    real = read_real(input.text());
  } else if (input.is_number()) {
    real = input.as_real();
    if (const auto integer = input.as_integer()) {
      return Value::integer(*integer);
    }
  }
  if (!real || !std::isfinite(*real)) {
    return bound.value_or(0, Value::integer(0));
  }
  if (std::abs(*real) >= 9.2e18) {
    context.unsupported("an integer does not fit 64 bits");
  }
  return Value::integer(static_cast<int64_t>(*real));
}

Value to_real(TemplateContext& context, const Value& input, const Given& given) {
  const BoundArguments bound(context, "float", given, {"default"});
  if (input.is_undefined()) {
    context.refuse(input.why_undefined());
  }
  if (input.is_number()) {
    return Value::real(input.as_real());
  }
  context.spend_characters(input.is_text() ? input.text().size() : 0);
  const auto real = input.is_text() ? read_real(input.text()) : std::nullopt;
  return real ? Value::real(*real) : bound.value_or(0, Value::real(0));
}

Value absolute(TemplateContext& context, const Value& input, const Given& given) {
  const BoundArguments bound(context, "abs", given, {});
  const bool negative = input.is_number() && input.as_real() < 0;
  return signed_value(context, negative, input);
}

Value rounded(TemplateContext& context, const Value& input, const Given& given) {
  const BoundArguments bound(context, "round", given, {"precision", "method"});
  const std::string method = bound.text_or(1, "common");
  const int64_t precision = bound.integer_or(0, 0);
  if (!input.is_number()) {
    context.refuse(fmt::format("round: expected a number, found {}", input.type_name()));
  }
  if (precision < 0 || precision > 15) {
    context.unsupported("round: expected a precision between 0 and 15");
  }
  if (method == "common") {
    if (const auto integer = input.as_integer()) {
      return Value::integer(*integer);
    }
    // Printing rounds the exact binary value half to even, as Python's round does.
    return Value::real(std::stod(fmt::format("{:.{}f}", input.real(), precision)));
  }
  if (method != "ceil" && method != "floor") {
    context.unsupported("round: expected the method common, ceil or floor");
  }
  const double power = std::pow(10.0, static_cast<double>(precision));
  const double scaled = input.as_real() * power;
  return Value::real((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / power);
}

}  // namespace

TemplateFilter find_text_filter(std::string_view name) {
  static const std::unordered_map<std::string_view, TemplateFilter> kFilters = {
      {"abs", absolute},
      {"capitalize", converted<python_capitalize>},
      {"e", escape<false>},
      {"escape", escape<false>},
      {"float", to_real},
      {"forceescape", escape<true>},
      {"format", format},
      {"indent", indent},
      {"int", to_integer},
      {"lower", converted<python_lower>},
      {"replace", replace},
      {"round", rounded},
      {"safe", safe},
      {"string", string},
      {"title", converted<title_words>},
      {"tojson", tojson},
      {"trim", trim},
      {"upper", converted<python_upper>}};
  const auto found = kFilters.find(name);
  return found == kFilters.end() ? nullptr : found->second;
}

}  // namespace peft
