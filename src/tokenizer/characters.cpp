#include "characters.h"

#include <algorithm>
#include <cstdint>
#include <iterator>

namespace peft {
namespace {

struct CharacterRange {
  char32_t first;
  char32_t last;
};

/// Every `stride`-th character from `first` to `last` moves by `shift`.
struct CharacterRun {
  char32_t first;
  char32_t last;
  int32_t stride;
  int32_t shift;
};

#include "character_ranges.inc"

/// The last range that begins at or before the character, or null.
template <class Range, size_t N>
const Range* range_of(const Range (&ranges)[N], char32_t character) {
  const Range* const behind =
      std::upper_bound(std::begin(ranges), std::end(ranges), character,
                       [](char32_t c, const Range& range) { return c < range.first; });
  return behind == std::begin(ranges) || std::prev(behind)->last < character ? nullptr
                                                                             : std::prev(behind);
}

}  // namespace

bool is_whitespace(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

bool is_removed_by_bert(char32_t c) {
  return (c < 0x20 || c >= 0x7F) && range_of(kRemoved, c) != nullptr;
}

bool is_chinese(char32_t c) {
  return c >= 0x3400 && range_of(kChinese, c) != nullptr;
}

bool is_accent(char32_t c) {
  return c >= 0x300 && range_of(kAccents, c) != nullptr;
}

bool is_combining_mark(char32_t c) {
  return c >= 0x300 && range_of(kMarks, c) != nullptr;
}

bool is_punctuation(char32_t c) {
  return c < 0x80 ? (c >= 0x21 && c <= 0x7E && !(c >= '0' && c <= '9') &&
                     !((c | 0x20) >= 'a' && (c | 0x20) <= 'z'))
                  : range_of(kPunctuation, c) != nullptr;
}

bool is_numeric(char32_t c) {
  return c < 0x80 ? c >= '0' && c <= '9' : range_of(kNumeric, c) != nullptr;
}

char32_t lower_case(char32_t c) {
  if (c < 0x80) {
    return c >= 'A' && c <= 'Z' ? c + 0x20 : c;
  }
  if (c == U'\u0130') {
    return U'i';
  }
  const CharacterRun* const run = range_of(kLower, c);
  const bool moves = run != nullptr && (c - run->first) % static_cast<uint32_t>(run->stride) == 0;
  return moves ? static_cast<char32_t>(static_cast<int32_t>(c) + run->shift) : c;
}

}  // namespace peft
