#include <utf8proc.h>

#include <array>
#include <vector>

#include "character_map.h"
#include "peft/util/error.h"
#include "peft/util/text.h"

namespace peft {
namespace {

/// Graphemes of this many bytes or more are mapped character by character.
constexpr size_t kLongGrapheme = 6;

/// Where the grapheme ends that begins at `at` (Unicode's extended grapheme clusters).
size_t grapheme_end(std::string_view text, size_t at) {
  const auto is_plain = [&](size_t i) {
    return i >= text.size() || (static_cast<unsigned char>(text[i]) < 0x80 && text[i] != '\n');
  };
  if (static_cast<unsigned char>(text[at]) < 0x80 && is_plain(at + 1)) {
    return at + 1;
  }
  utf8proc_int32_t state = 0;
  auto before = static_cast<utf8proc_int32_t>(next_code_point(text, at));
  while (at < text.size()) {
    size_t behind = at;
    const auto next = static_cast<utf8proc_int32_t>(next_code_point(text, behind));
    if (utf8proc_grapheme_break_stateful(before, next, &state) != 0) {
      break;
    }
    before = next;
    at = behind;
  }
  return at;
}

/// Applies a map as Hugging Face's library does: a short grapheme as a whole if its beginning is in
/// the map, else each character by itself.
class PrecompiledNormalizer final : public Normalizer {
 public:
  explicit PrecompiledNormalizer(CharacterMap map) : map_(std::move(map)) {
    for (size_t c = 0; c < changes_ascii_.size(); ++c) {
      const char character = static_cast<char>(c);
      changes_ascii_[c] = map_.find({&character, 1}).has_value();
    }
  }

  void normalize(AlignedText& text) const override {
    const std::string_view all = text.text();
    std::vector<Change> changes;
    changes.reserve(all.size());
    bool any = false;
    for (size_t at = 0; at < all.size();) {
      const size_t end = grapheme_end(all, at);
      any |= end - at == 1 ? map_byte(all[at], changes)
                           : map_grapheme(all.substr(at, end - at), changes);
      at = end;
    }
    if (any) {
      text.transform(changes);
    }
  }

 private:
  bool map_byte(char byte, std::vector<Change>& changes) const {
    const auto c = static_cast<unsigned char>(byte);
    if (!changes_ascii_[c]) {
      changes.push_back({c, 0});
      return false;
    }
    return map_part({&byte, 1}, changes);
  }

  bool map_grapheme(std::string_view grapheme, std::vector<Change>& changes) const {
    if (grapheme.size() < kLongGrapheme && map_part(grapheme, changes)) {
      return true;
    }
    bool any = false;
    for (size_t at = 0; at < grapheme.size();) {
      const size_t begin = at;
      const char32_t c = next_code_point(grapheme, at);
      if (map_part(grapheme.substr(begin, at - begin), changes)) {
        any = true;
      } else {
        changes.push_back({c, 0});
      }
    }
    return any;
  }

  /// False if the part is not in the map. The last new characters are insertions when there are
  /// more than there were; when there are fewer, the last one takes the rest with it.
  bool map_part(std::string_view part, std::vector<Change>& changes) const {
    const std::optional<std::string_view> found = map_.find(part);
    if (!found) {
      return false;
    }
    const auto old_count = static_cast<int>(count_code_points(part));
    int count = 0;
    for (size_t at = 0; at < found->size(); ++count) {
      changes.push_back({next_code_point(*found, at), count < old_count ? 0 : 1});
    }
    if (count < old_count && !changes.empty()) {
      changes.back().change += count - old_count;
    }
    return true;
  }

  CharacterMap map_;
  std::array<bool, 128> changes_ascii_{};
};

constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::string decode_base64(std::string_view text, const std::string& where) {
  while (text.ends_with('=')) {
    text.remove_suffix(1);
  }
  std::array<int, 256> values;
  values.fill(-1);
  for (size_t i = 0; i < kBase64.size(); ++i) {
    values[static_cast<unsigned char>(kBase64[i])] = static_cast<int>(i);
  }
  std::string bytes;
  bytes.reserve(text.size() * 3 / 4);
  uint32_t bits = 0;
  int count = 0;  // bits that are not written yet
  for (const char c : text) {
    const int value = values[static_cast<unsigned char>(c)];
    check<ModelError>(value >= 0, "{}: not base64", where);
    bits = (bits << 6) | static_cast<uint32_t>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes += static_cast<char>((bits >> count) & 0xFF);
    }
  }
  return bytes;
}

/// A map without entries.
class UnchangedText final : public Normalizer {
 public:
  void normalize(AlignedText&) const override {}
};

}  // namespace

std::string base64(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t at = 0; at < bytes.size(); at += 3) {
    uint32_t bits = 0;
    for (size_t i = 0; i < 3; ++i) {
      bits = (bits << 8) | (at + i < bytes.size() ? static_cast<unsigned char>(bytes[at + i]) : 0U);
    }
    for (size_t i = 0; i < 4; ++i) {
      text += at + i > bytes.size() ? '=' : kBase64[(bits >> (18 - 6 * i)) & 0x3F];
    }
  }
  return text;
}

std::unique_ptr<Normalizer> precompiled_normalizer(std::string_view base64,
                                                   const std::string& where) {
  if (base64.empty()) {
    return std::make_unique<UnchangedText>();
  }
  return std::make_unique<PrecompiledNormalizer>(CharacterMap(decode_base64(base64, where), where));
}

}  // namespace peft
