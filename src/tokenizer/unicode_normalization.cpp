#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <vector>

#include "normalizer.h"
#include "peft/util/text.h"

namespace peft {
namespace {

int combining_class(char32_t character) {
  return utf8proc_get_property(static_cast<utf8proc_int32_t>(character))->combining_class;
}

bool is_hangul(char32_t c) {
  return (c >= 0x1100 && c < 0x1200) || (c >= 0xAC00 && c < 0xD7A4);
}

/// False only if no form changes this character, whatever stands beside it. Those few starters that
/// combine with what precedes them lie above U+0900.
bool may_change(char32_t c) {
  if (c < 0xA0) {
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
    const auto c = static_cast<utf8proc_int32_t>(next_code_point(text, at));
    int last_class = 0;
    const utf8proc_ssize_t count =
        utf8proc_decompose_char(c, buffer.data(), buffer.size(), options, &last_class);
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
  std::vector<Change> changes;
  changes.reserve(text.text().size());
  for (size_t at = 0; at < text.text().size();) {
    const char32_t c = next_code_point(text.text(), at);
    changes.push_back(
        {static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))), 0});
    if (c == U'\u0130') {  // the one character whose lower case is two
      changes.back().character = U'i';
      changes.push_back({U'\u0307', 1});
    }
  }
  text.transform(changes);
}

bool is_whitespace(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

}  // namespace peft
