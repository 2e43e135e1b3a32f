#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "peft/template/builtins.h"
#include "peft/template/operations.h"
#include "peft/template/python_text.h"
#include "peft/util/text.h"

namespace peft {
namespace {

using Value = TemplateValue;

// What stands between % and its letter: [-+ #0]*[width][.precision].
struct PercentSpec {
  bool left = false, zero = false, plus = false;
  size_t width = 0;
  int precision = -1;
};

size_t read_number(TemplateContext& context, std::string_view text, size_t& at) {
  size_t number = 0;
  while (at < text.size() && std::isdigit(static_cast<unsigned char>(text[at]))) {
    number = number * 10 + static_cast<size_t>(text[at++] - '0');
    if (number > 10000) {
      context.unsupported("a format's width is beyond 10000");
    }
  }
  return number;
}

PercentSpec read_spec(TemplateContext& context, std::string_view text, size_t& at) {
  PercentSpec spec;
  for (; at < text.size() && std::string_view("-+0").find(text[at]) != std::string_view::npos;
       ++at) {
    spec.left = spec.left || text[at] == '-';
    spec.zero = spec.zero || text[at] == '0';
    spec.plus = spec.plus || text[at] == '+';
  }
  spec.width = read_number(context, text, at);
  if (at < text.size() && text[at] == '.') {
    ++at;
    spec.precision = static_cast<int>(read_number(context, text, at));
  }
  return spec;
}

std::string padded(std::string text, const PercentSpec& spec, bool is_number) {
  const auto size = static_cast<size_t>(count_code_points(text));
  if (size >= spec.width) {
    return text;
  }
  const size_t missing = spec.width - size;
  if (spec.left) {
    return text + std::string(missing, ' ');
  }
  if (!spec.zero || !is_number) {
    return std::string(missing, ' ') + text;
  }
  const size_t sign = text.starts_with('-') || text.starts_with('+') ? 1 : 0;
  return text.insert(sign, missing, '0');
}

std::string converted(TemplateContext& context, char letter, const PercentSpec& spec,
                      const Value& value) {
  if (letter == 's' || letter == 'r') {
    std::string text = letter == 's' ? to_text(context, value) : representation(context, value);
    if (spec.precision >= 0) {
      text = text.substr(0, code_point_offset(text, spec.precision));
    }
    return padded(std::move(text), spec, /*is_number=*/false);
  }
  if (!value.is_number()) {
    context.refuse(
        fmt::format("%{} format: a number is required, not {}", letter, value.type_name()));
  }
  std::string text;
  if (letter == 'f') {
    text = fmt::format("{:.{}f}", value.as_real(), spec.precision < 0 ? 6 : spec.precision);
  } else {
    const auto integer = value.as_integer();
    text = fmt::format("{}", integer ? *integer : static_cast<int64_t>(value.as_real()));
  }
  text = spec.plus && !text.starts_with('-') ? "+" + text : text;
  return padded(std::move(text), spec, /*is_number=*/true);
}

}  // namespace

std::string format_percent(TemplateContext& context, const std::string& format,
                           const TemplateValue& operand) {
  const std::vector<Value> values =
      operand.is(SequenceKind::kTuple) ? operand.items() : std::vector<Value>{operand};
  size_t used = 0;
  std::string out;
  for (size_t at = 0; at < format.size();) {
    if (format[at] != '%') {
      out += format[at++];
      continue;
    }
    ++at;
    const PercentSpec spec = read_spec(context, format, at);
    const char letter = at < format.size() ? format[at++] : '\0';
    if (letter == '%') {
      out += '%';
    } else if (letter == 'i' || std::string_view("srdf").find(letter) != std::string_view::npos) {
      if (used >= values.size()) {
        context.refuse("not enough arguments for format string");
      }
      out += converted(context, letter, spec, values[used++]);
    } else {
      context.unsupported(fmt::format("the format \"{}\" is not supported", format));
    }
    context.expect_text(out.size());
  }
  // What has members by key or index passes for a mapping of named values, which may go unused.
  const bool passes = operand.is_dict() || operand.is(SequenceKind::kList);
  if (used < values.size() && !passes) {
    context.refuse("not all arguments converted during string formatting");
  }
  return out;
}

std::string format_braces(TemplateContext& context, const std::string& format,
                          const TemplateArguments& arguments) {
  std::string out;
  size_t automatic = 0;
  for (size_t at = 0; at < format.size();) {
    const char c = format[at++];
    const bool doubled = at < format.size() && format[at] == c;
    if ((c != '{' && c != '}') || doubled) {
      at += (c == '{' || c == '}') && doubled ? 1 : 0;
      out += c;
      continue;
    }
    const size_t end = format.find('}', at);
    const std::string field =
        c == '{' && end != std::string::npos ? format.substr(at, end - at) : "!";
    if (field.find_first_of("!:.[{") != std::string::npos) {
      context.unsupported(fmt::format("the format \"{}\" is not supported", format));
    }
    size_t digits = 0;
    const size_t number = read_number(context, field, digits);
    const bool positional = digits == field.size();
    const size_t place = field.empty() ? automatic++ : number;
    const auto named = std::find_if(arguments.named.begin(), arguments.named.end(),
                                    [&](const auto& entry) { return entry.first == field; });
    if (positional ? place >= arguments.positional.size() : named == arguments.named.end()) {
      context.refuse(fmt::format("format: no argument for \"{{{}}}\"", field));
    }
    out += to_text(context, positional ? arguments.positional[place] : named->second);
    context.expect_text(out.size());
    at = end + 1;
  }
  return out;
}

}  // namespace peft
