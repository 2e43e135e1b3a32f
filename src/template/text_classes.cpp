#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "peft/template/builtins.h"
#include "peft/template/python_text.h"
#include "peft/util/text.h"

namespace peft {
namespace {

using Value = TemplateValue;
using Given = TemplateArguments;

bool is_ascii_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_ascii_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_ascii_word(char c) {
  return is_ascii_digit(c) || is_ascii_letter(c);
}

bool is_ascii(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x80; });
}

// Methods such as isdigit: there are characters, and all are of the class. Beyond ASCII that would
// take Unicode's tables of letters and digits, which no chat template has asked for.
template <bool (*kClass)(char)>
Value is_all(TemplateContext& context, const Value& self, const Given& given) {
  const BoundArguments bound(context, "the method", given, {});
  if (!is_ascii(self.text())) {
    context.unsupported("isdigit, isalpha and their like of a text that is not ASCII");
  }
  return Value::boolean(!self.text().empty() &&
                        std::all_of(self.text().begin(), self.text().end(), kClass));
}

Value is_ascii_text(TemplateContext&, const Value& self, const Given&) {
  return Value::boolean(is_ascii(self.text()));
}

Value is_identifier(TemplateContext& context, const Value& self, const Given& given) {
  std::string text = self.text();
  const bool starts = !text.empty() && !is_ascii_digit(text.front());
  std::replace(text.begin(), text.end(), '_', 'x');
  return Value::boolean(
      is_all<is_ascii_word>(context, Value::text(std::move(text)), given).boolean() && starts);
}

Value is_printable(TemplateContext&, const Value& self, const Given&) {
  for (size_t at = 0; at < self.text().size();) {
    if (!is_python_printable(next_code_point(self.text(), at))) {
      return Value::boolean(false);
    }
  }
  return Value::boolean(true);
}

Value is_space(TemplateContext&, const Value& self, const Given&) {
  return Value::boolean(!self.text().empty() &&
                        python_strip(self.text(), StripSides::kBoth).empty());
}

// isupper and islower: some character has case, and none the other one.
template <int kCase>
Value is_case(TemplateContext&, const Value& self, const Given&) {
  bool any = false;
  for (size_t at = 0; at < self.text().size();) {
    const int found = python_case(next_code_point(self.text(), at));
    if (found == -kCase) {
      return Value::boolean(false);
    }
    any = any || found == kCase;
  }
  return Value::boolean(any);
}

// Upper case begins words and lower case goes on with them.
Value is_title(TemplateContext&, const Value& self, const Given&) {
  bool any = false;
  int before = 0;
  for (size_t at = 0; at < self.text().size();) {
    const int found = python_case(next_code_point(self.text(), at));
    if (found != 0 && (found > 0) == (before != 0)) {
      return Value::boolean(false);
    }
    any = any || found != 0;
    before = found;
  }
  return Value::boolean(any);
}

}  // namespace

TemplateMethod find_text_class(std::string_view name) {
  static const std::unordered_map<std::string_view, TemplateMethod> kMethods = {
      {"isalnum", is_all<is_ascii_word>},
      {"isalpha", is_all<is_ascii_letter>},
      {"isascii", is_ascii_text},
      {"isdecimal", is_all<is_ascii_digit>},
      {"isdigit", is_all<is_ascii_digit>},
      {"isidentifier", is_identifier},
      {"islower", is_case<-1>},
      {"isnumeric", is_all<is_ascii_digit>},
      {"isprintable", is_printable},
      {"isspace", is_space},
      {"istitle", is_title},
      {"isupper", is_case<1>}};
  const auto found = kMethods.find(name);
  return found == kMethods.end() ? nullptr : found->second;
}

}  // namespace peft
