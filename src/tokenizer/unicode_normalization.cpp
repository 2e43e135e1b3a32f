#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <vector>

#include "characters.h"
#include "normalizer.h"
#include "peft/util/text.h"

namespace peft {
namespace {

/// Characters newer than Unicode 9 that combine or decompose. Hugging Face's library normalises by
/// the tables of version 9 and leaves them alone, and so must who wants the same tokens.
constexpr std::array<std::pair<char32_t, char32_t>, 46> kNewerThanNine = {
    {{0x7FD, 0x7FD},     {0x898, 0x89F},     {0x8CA, 0x8D3},     {0x9FE, 0x9FE},
     {0xC3C, 0xC3C},     {0xD3B, 0xD3C},     {0xEBA, 0xEBA},     {0x1715, 0x1715},
     {0x1ABF, 0x1ACE},   {0x1DF6, 0x1DFA},   {0x32FF, 0x32FF},   {0xA7F2, 0xA7F4},
     {0xA82C, 0xA82C},   {0xAB69, 0xAB69},   {0x10781, 0x10785}, {0x10787, 0x107B0},
     {0x107B2, 0x107BA}, {0x10D24, 0x10D27}, {0x10EAB, 0x10EAC}, {0x10EFD, 0x10EFF},
     {0x10F46, 0x10F50}, {0x10F82, 0x10F85}, {0x11070, 0x11070}, {0x1133B, 0x1133B},
     {0x1145E, 0x1145E}, {0x11839, 0x1183A}, {0x11938, 0x11938}, {0x1193D, 0x1193E},
     {0x11943, 0x11943}, {0x119E0, 0x119E0}, {0x11A34, 0x11A34}, {0x11A47, 0x11A47},
     {0x11A99, 0x11A99}, {0x11D42, 0x11D42}, {0x11D44, 0x11D45}, {0x11D97, 0x11D97},
     {0x11F41, 0x11F42}, {0x16FF0, 0x16FF1}, {0x1E030, 0x1E06D}, {0x1E08F, 0x1E08F},
     {0x1E130, 0x1E136}, {0x1E2AE, 0x1E2AE}, {0x1E2EC, 0x1E2EF}, {0x1E4EC, 0x1E4EF},
     {0x1F16C, 0x1F16C}, {0x1FBF0, 0x1FBF9}}};

bool newer_than_nine(char32_t character) {
  const auto behind =
      std::upper_bound(kNewerThanNine.begin(), kNewerThanNine.end(), character,
                       [](char32_t value, const auto& range) { return value < range.first; });
  return behind != kNewerThanNine.begin() && character <= std::prev(behind)->second;
}

int combining_class(char32_t character) {
  const int combining =
      utf8proc_get_property(static_cast<utf8proc_int32_t>(character))->combining_class;
  return combining != 0 && newer_than_nine(character) ? 0 : combining;
}

bool is_hangul(char32_t c) {
  return (c >= 0x1100 && c < 0x1200) || (c >= 0xAC00 && c < 0xD7A4);
}

/// False only if no form changes this character, whatever stands beside it. Those few starters that
/// combine with what precedes them lie above U+0900.
bool may_change(char32_t c) {
  if (c < 0xA0 || newer_than_nine(c)) {
    return false;
  }
  const utf8proc_property_t& property = *utf8proc_get_property(static_cast<utf8proc_int32_t>(c));
  return property.combining_class != 0 || property.decomp_seqindex != UINT16_MAX ||
         (c >= 0x900 && property.comb_index != UINT16_MAX) || is_hangul(c);
}

/// The two characters' canonical composition, or 0.
char32_t composed(char32_t first, char32_t second) {
  std::array<utf8proc_int32_t, 2> pair = {static_cast<utf8proc_int32_t>(first),
                                          static_cast<utf8proc_int32_t>(second)};
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE);
  return utf8proc_normalize_utf32(pair.data(), 2, options) == 1 ? static_cast<char32_t>(pair[0])
                                                                : 0;
}

/// Full decomposition with combining marks in canonical order.
std::vector<Change> decomposed(const std::string& text, bool compatible) {
  const auto options =
      static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | (compatible ? UTF8PROC_COMPAT : 0));
  std::vector<Change> result;
  result.reserve(text.size());
  std::array<utf8proc_int32_t, 32> buffer;
  size_t pending = 0;  // where the marks begin that the next starter puts in order
  const auto order = [&] {
    std::stable_sort(result.begin() + static_cast<std::ptrdiff_t>(pending), result.end(),
                     [](const Change& a, const Change& b) {
                       return combining_class(a.character) < combining_class(b.character);
                     });
  };
  for (size_t at = 0; at < text.size();) {
    const char32_t c = next_code_point(text, at);
    buffer[0] = static_cast<utf8proc_int32_t>(c);
    int last_class = 0;
    const utf8proc_ssize_t count =
        newer_than_nine(c) ? 1
                           : utf8proc_decompose_char(buffer[0], buffer.data(), buffer.size(),
                                                     options, &last_class);
    for (utf8proc_ssize_t i = 0; i < count; ++i) {
      const auto part = static_cast<char32_t>(buffer[static_cast<size_t>(i)]);
      if (combining_class(part) == 0) {
        order();
        pending = result.size();
      }
      result.push_back({part, i == 0 ? 0 : 1});
    }
  }
  order();
  return result;
}

/// Canonical composition (UAX 15). A composed character takes over the changes of its parts, one
/// character less each time.
std::vector<Change> recomposed(const std::vector<Change>& parts) {
  std::vector<Change> result;
  result.reserve(parts.size());
  size_t starter = SIZE_MAX;
  int last_class = -1;  // of the marks that stayed behind the starter
  for (const Change& part : parts) {
    const int part_class = combining_class(part.character);
    const bool blocked = last_class >= 0 && last_class >= part_class;
    if (starter != SIZE_MAX && !blocked && may_change(part.character)) {
      if (const char32_t both = composed(result[starter].character, part.character); both != 0) {
        result[starter] = {both, result[starter].change + part.change - 1};
        continue;
      }
    }
    if (part_class == 0) {
      starter = result.size();
      last_class = -1;
    } else if (starter != SIZE_MAX) {
      last_class = part_class;
    }
    result.push_back(part);
  }
  return result;
}

bool all_inert(const std::string& text) {
  for (size_t at = 0; at < text.size();) {
    if (static_cast<unsigned char>(text[at]) < 0x80) {
      ++at;
    } else if (may_change(next_code_point(text, at))) {
      return false;
    }
  }
  return true;
}

}  // namespace

void normalize_unicode(AlignedText& text, UnicodeForm form) {
  if (all_inert(text.text())) {
    return;
  }
  const bool compatible = form == UnicodeForm::kNfkc || form == UnicodeForm::kNfkd;
  const bool compose = form == UnicodeForm::kNfc || form == UnicodeForm::kNfkc;
  const std::vector<Change> parts = decomposed(text.text(), compatible);
  text.transform(compose ? recomposed(parts) : parts);
}

void lowercase(AlignedText& text) {
  bool any = false;
  for (size_t at = 0; at < text.text().size() && !any;) {
    const char32_t c = next_code_point(text.text(), at);
    any = lower_case(c) != c;
  }
  if (!any) {
    return;
  }
  std::vector<Change> changes;
  changes.reserve(text.text().size());
  for (size_t at = 0; at < text.text().size();) {
    const char32_t c = next_code_point(text.text(), at);
    changes.push_back({lower_case(c), 0});
    if (c == U'\u0130') {  // the one character whose lower case is two
      changes.push_back({U'\u0307', 1});
    }
  }
  text.transform(changes);
}

}  // namespace peft
