#include "peft/template/python_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

#include "peft/util/text.h"

namespace peft {
namespace {

bool has(std::string_view characters, std::string_view character) {
  // In UTF-8 a whole character can only be found where one begins.
  return characters.find(character) != std::string_view::npos;
}

std::string reversed(std::string_view text) {
  return {text.rbegin(), text.rend()};
}

size_t last_begin(std::string_view text) {
  size_t at = text.size();
  do {
    --at;
  } while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80);
  return at;
}

// The characters that strip takes away: a sorted set, or white space.
class StripSet {
 public:
  explicit StripSet(const std::optional<std::string_view>& characters)
      : is_space_(!characters.has_value()) {
    for (size_t at = 0; characters && at < characters->size();) {
      set_.push_back(next_code_point(*characters, at));
    }
    std::sort(set_.begin(), set_.end());
  }

  bool has(std::string_view character) const {
    size_t at = 0;
    const char32_t c = next_code_point(character, at);
    return is_space_ ? is_python_space(c) : std::binary_search(set_.begin(), set_.end(), c);
  }

 private:
  bool is_space_;
  std::u32string set_;
};

bool ends_line(char32_t c) {
  return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 ||
         c == 0x2029;
}

// Runs of white space; the rest behind `limit` cuts keeps its inner and outer end.
std::vector<std::string> split_space(std::string_view text, int64_t limit) {
  std::vector<std::string> parts;
  std::string_view rest = python_strip(text, StripSides::kLeft);
  while (!rest.empty()) {
    if (limit >= 0 && static_cast<int64_t>(parts.size()) == limit) {
      parts.emplace_back(rest);
      return parts;
    }
    size_t end = 0;
    for (size_t at = 0; at < rest.size() && !is_python_space(next_code_point(rest, at));) {
      end = at;
    }
    parts.emplace_back(rest.substr(0, end));
    rest = python_strip(rest.substr(end), StripSides::kLeft);
  }
  return parts;
}

std::vector<std::string> split_space_from_right(std::string_view text, int64_t limit) {
  std::vector<std::string> parts;
  std::string_view rest = python_strip(text, StripSides::kRight);
  while (!rest.empty() && (limit < 0 || static_cast<int64_t>(parts.size()) < limit)) {
    size_t begin = rest.size();
    while (begin > 0) {
      const size_t before = last_begin(rest.substr(0, begin));
      size_t at = before;
      if (is_python_space(next_code_point(rest, at))) {
        break;
      }
      begin = before;
    }
    parts.emplace_back(rest.substr(begin));
    rest = python_strip(rest.substr(0, begin), StripSides::kRight);
  }
  if (!rest.empty()) {
    parts.emplace_back(rest);
  }
  std::reverse(parts.begin(), parts.end());
  return parts;
}

}  // namespace

bool is_python_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 ||
         c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
         c == 0x205F || c == 0x3000;
}

std::string_view python_strip(std::string_view text, StripSides sides,
                              std::optional<std::string_view> characters) {
  const StripSet stripped(characters);
  while (sides != StripSides::kRight && !text.empty()) {
    size_t end = 0;
    next_code_point(text, end);
    if (!stripped.has(text.substr(0, end))) {
      break;
    }
    text.remove_prefix(end);
  }
  while (sides != StripSides::kLeft && !text.empty()) {
    const size_t begin = last_begin(text);
    if (!stripped.has(text.substr(begin))) {
      break;
    }
    text.remove_suffix(text.size() - begin);
  }
  return text;
}

size_t find_part(std::string_view text, std::string_view part, size_t from) {
  if (from > text.size()) {
    return std::string_view::npos;
  }
  const std::string_view rest = text.substr(from);
  if (part.empty()) {
    return from;
  }
  // memmem is linear where string_view::find is not.
  const void* found = memmem(rest.data(), rest.size(), part.data(), part.size());
  return found == nullptr ? std::string_view::npos
                          : static_cast<size_t>(static_cast<const char*>(found) - text.data());
}

size_t find_last_part(std::string_view text, std::string_view part) {
  const size_t at = find_part(reversed(text), reversed(part));
  return at == std::string_view::npos ? at : text.size() - at - part.size();
}

int64_t count_occurrences(std::string_view text, std::string_view part, int64_t limit) {
  if (part.empty()) {
    const int64_t places = count_code_points(text) + 1;
    return limit < 0 ? places : std::min(places, limit);
  }
  int64_t count = 0;
  for (size_t at = find_part(text, part); at != std::string_view::npos && count != limit;
       at = find_part(text, part, at + part.size())) {
    ++count;
  }
  return count;
}

std::vector<std::string> python_split(std::string_view text,
                                      std::optional<std::string_view> separator, int64_t limit,
                                      bool from_right) {
  if (!separator) {
    return from_right ? split_space_from_right(text, limit) : split_space(text, limit);
  }
  std::vector<std::string> parts;
  if (from_right && limit >= 0) {
    // Backwards, the last separator is the first.
    parts = python_split(reversed(text), reversed(*separator), limit);
    std::reverse(parts.begin(), parts.end());
    std::transform(parts.begin(), parts.end(), parts.begin(), reversed);
    return parts;
  }
  size_t begin = 0;
  for (size_t at = find_part(text, *separator);
       at != std::string_view::npos && static_cast<int64_t>(parts.size()) != limit;
       at = find_part(text, *separator, begin)) {
    parts.emplace_back(text.substr(begin, at - begin));
    begin = at + separator->size();
  }
  parts.emplace_back(text.substr(begin));
  return parts;
}

std::vector<std::string> python_lines(std::string_view text, bool keep_ends) {
  std::vector<std::string> lines;
  size_t begin = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = at;
    const char32_t c = next_code_point(text, at);
    if (!ends_line(c)) {
      continue;
    }
    at += c == '\r' && at < text.size() && text[at] == '\n' ? 1 : 0;
    lines.emplace_back(text.substr(begin, (keep_ends ? at : end) - begin));
    begin = at;
  }
  if (begin < text.size()) {
    lines.emplace_back(text.substr(begin));
  }
  return lines;
}

std::string python_replace(std::string_view text, std::string_view from, std::string_view to,
                           int64_t limit) {
  std::string out;
  size_t begin = 0;
  int64_t done = 0;
  if (from.empty()) {
    while (done != limit) {
      out += to;
      ++done;
      if (begin == text.size()) {
        return out;
      }
      const size_t character = begin;
      next_code_point(text, begin);
      out += text.substr(character, begin - character);
    }
    return out.append(text.substr(begin));
  }
  for (size_t at = find_part(text, from); at != std::string_view::npos && done != limit;
       at = find_part(text, from, begin)) {
    out.append(text.substr(begin, at - begin)).append(to);
    begin = at + from.size();
    ++done;
  }
  return out.append(text.substr(begin));
}

std::vector<std::string> characters(std::string_view text) {
  std::vector<std::string> parts;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    next_code_point(text, at);
    parts.emplace_back(text.substr(begin, at - begin));
  }
  return parts;
}

std::string markup_escaped(std::string_view text) {
  static constexpr std::pair<char, std::string_view> kEntities[] = {
      {'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&#34;"}, {'\'', "&#39;"}};
  std::string out;
  for (const char c : text) {
    const auto found = std::find_if(std::begin(kEntities), std::end(kEntities),
                                    [&](const auto& entity) { return entity.first == c; });
    out += found == std::end(kEntities) ? std::string_view(&c, 1) : found->second;
  }
  return out;
}

std::string python_quoted(std::string_view text) {
  const char quote = has(text, "'") && !has(text, "\"") ? '"' : '\'';
  std::string out(1, quote);
  for (size_t at = 0; at < text.size();) {
    const char32_t c = next_code_point(text, at);
    if (c == static_cast<char32_t>(quote) || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c == '\n' || c == '\r' || c == '\t') {
      out += c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t";
    } else if (is_python_printable(c)) {
      append_utf8(out, c);
    } else if (c < 0x100) {
      out += fmt::format("\\x{:02x}", static_cast<uint32_t>(c));
    } else {
      out += c < 0x10000 ? fmt::format("\\u{:04x}", static_cast<uint32_t>(c))
                         : fmt::format("\\U{:08x}", static_cast<uint32_t>(c));
    }
  }
  return out + quote;
}

std::string python_real(double value) {
  if (std::isnan(value) || std::isinf(value)) {
    return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
  }
  // Shortest digits that read back as the same number; an exponent only where Python writes one.
  const bool plain = value == 0 || (std::abs(value) >= 1e-4 && std::abs(value) < 1e16);
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), value,
                                 plain ? std::chars_format::fixed : std::chars_format::scientific);
  std::string text(buffer, end.ptr);
  return plain && text.find('.') == std::string::npos ? text + ".0" : text;
}

}  // namespace peft
