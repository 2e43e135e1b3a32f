#include "peft/template/lexer.h"
#include "peft/util/error.h"
#include "peft/util/text.h"

namespace peft {
namespace {

// Reads up to `digits` digits at `at`; octal escapes may have fewer.
char32_t numeric_escape(std::string_view body, size_t& at, size_t digits, int base, int64_t line) {
  char32_t code = 0;
  size_t read = 0;
  for (; read < digits && at < body.size(); ++read, ++at) {
    const char c = body[at];
    const int digit = c >= '0' && c <= '9'     ? c - '0'
                      : (c >= 'a' && c <= 'f') ? c - 'a' + 10
                      : (c >= 'A' && c <= 'F') ? c - 'A' + 10
                                               : 99;
    if (digit >= base) {
      break;
    }
    code = code * static_cast<char32_t>(base) + static_cast<char32_t>(digit);
  }
  const bool valid = code < 0x110000 && (code < 0xD800 || code > 0xDFFF);
  check<ModelError>(valid && (read == digits || base == 8),
                    "chat template: line {}: bad escape in a string", line);
  return code;
}

}  // namespace

std::string string_literal(std::string_view body, int64_t line) {
  static constexpr std::string_view kLetters = "abfnrtv\\'\"";
  static constexpr std::string_view kMeanings = "\a\b\f\n\r\t\v\\'\"";
  std::string text;
  for (size_t i = 0; i < body.size();) {
    if (body[i] != '\\') {
      text += body[i++];
      continue;
    }
    const char c = body[i + 1];
    i += 2;
    if (const size_t letter = kLetters.find(c); letter != std::string_view::npos) {
      text += kMeanings[letter];
    } else if (c == 'x' || c == 'u' || c == 'U') {
      append_utf8(text, numeric_escape(body, i, c == 'x' ? 2 : c == 'u' ? 4 : 8, 16, line));
    } else if (c >= '0' && c <= '7') {
      --i;
      append_utf8(text, numeric_escape(body, i, 3, 8, line));
    } else if (c != '\n') {
      check<ModelError>(c != 'N', "chat template: line {}: \\N escapes are not supported", line);
      text += '\\';
      text += c;
    }
  }
  return text;
}

}  // namespace peft
