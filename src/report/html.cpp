#include "peft/report/html.h"

#include "peft/util/text.h"

namespace peft {
namespace {

std::string visible(std::string_view text) {
  std::string result;
  size_t begin = 0;
  while (begin < text.size()) {
    const size_t end = std::min(text.find_first_of("\n\t", begin), text.size());
    result += escaped(text.substr(begin, end - begin));
    if (end < text.size()) {
      result += text[end];
    }
    begin = end + 1;
  }
  return result;
}

}  // namespace

std::string html_text(std::string_view text) {
  std::string result;
  for (const char c : visible(text)) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      case '\'':
        result += "&#39;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

}  // namespace peft
