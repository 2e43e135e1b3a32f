#include <algorithm>
#include <iterator>
#include <string>

#include "peft/template/python_text.h"
#include "peft/util/text.h"

namespace peft {
namespace {

// Every `stride`-th character from first to last moves by `shift`.
struct CaseRun {
  char32_t first, last;
  int32_t stride, shift;
};

struct CaseExpansion {
  char32_t from;
  std::u32string_view to;
};

struct CodePointRange {
  char32_t first, last;
};

// Tables of Unicode 14, as Python 3.11 has them; made by scripts/fixtures/unicode_tables.py.
#include "unicode_case.inc"
#include "unicode_printable.inc"

template <class Table>
const auto* entry_of(const Table& table, char32_t c) {
  const auto after = std::upper_bound(
      std::begin(table), std::end(table), c,
      [](char32_t code_point, const auto& entry) { return code_point < entry.first; });
  return after == std::begin(table) || c > std::prev(after)->last ? nullptr : &*std::prev(after);
}

template <class Table>
char32_t mapped(const Table& table, char32_t c) {
  const CaseRun* run = entry_of(table, c);
  const bool in_run = run != nullptr && (c - run->first) % static_cast<uint32_t>(run->stride) == 0;
  return in_run ? static_cast<char32_t>(static_cast<int32_t>(c) + run->shift) : c;
}

template <class Table>
bool append_expansion(std::string& text, const Table& table, char32_t c) {
  const auto* found = std::lower_bound(
      std::begin(table), std::end(table), c,
      [](const CaseExpansion& entry, char32_t code_point) { return entry.from < code_point; });
  if (found == std::end(table) || found->from != c) {
    return false;
  }
  for (const char32_t to : found->to) {
    append_utf8(text, to);
  }
  return true;
}

void append_upper(std::string& text, char32_t c) {
  if (c < 0x80 || !append_expansion(text, kUpperExpansions, c)) {
    append_utf8(text, mapped(kUpper, c));
  }
}

void append_lower(std::string& text, char32_t c) {
  if (c < 0x80 || !append_expansion(text, kLowerExpansions, c)) {
    append_utf8(text, mapped(kLower, c));
  }
}

// A capital sigma at the end of a word becomes a final small sigma.
bool is_final_sigma(std::string_view text, size_t begin, size_t end) {
  size_t before = begin;
  while (before > 0 && (static_cast<unsigned char>(text[--before]) & 0xC0) == 0x80) {
  }
  size_t at = before;
  const bool follows = begin > 0 && python_case(next_code_point(text, at)) != 0;
  return follows && (end == text.size() || python_case(next_code_point(text, end)) == 0);
}

constexpr char32_t kCapitalSigma = 0x3A3;
constexpr char32_t kFinalSigma = 0x3C2;

}  // namespace

int python_case(char32_t c) {
  if (mapped(kUpper, c) != c || c == 0xDF) {
    return -1;
  }
  return mapped(kLower, c) != c ? 1 : 0;
}

bool is_python_printable(char32_t c) {
  return entry_of(kUnprintable, c) == nullptr;
}

std::string python_upper(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    append_upper(out, next_code_point(text, at));
  }
  return out;
}

std::string python_lower(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const char32_t c = next_code_point(text, at);
    if (c == kCapitalSigma && is_final_sigma(text, begin, at)) {
      append_utf8(out, kFinalSigma);
    } else {
      append_lower(out, c);
    }
  }
  return out;
}

std::string python_capitalize(std::string_view text) {
  if (text.empty()) {
    return "";
  }
  size_t at = 0;
  next_code_point(text, at);
  return python_upper(text.substr(0, at)) + python_lower(text.substr(at));
}

std::string python_title(std::string_view text) {
  std::string out;
  bool in_word = false;
  for (size_t at = 0; at < text.size();) {
    const char32_t c = next_code_point(text, at);
    in_word ? append_lower(out, c) : append_upper(out, c);
    in_word = python_case(c) != 0;
  }
  return out;
}

}  // namespace peft
