#include "byte_level.h"

#include <array>

#include "peft/util/text.h"

namespace peft {
namespace {

constexpr char32_t kFirstStandIn = 0x100;
constexpr size_t kAlphabetEnd = 0x144;

bool stands_for_itself(unsigned byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
}

/// Both directions, made once.
struct Alphabet {
  std::array<std::string, 256> spelling;
  std::array<int16_t, kAlphabetEnd> byte;

  Alphabet() {
    byte.fill(-1);
    char32_t next = kFirstStandIn;
    for (unsigned b = 0; b < 256; ++b) {
      const char32_t character = stands_for_itself(b) ? b : next++;
      append_utf8(spelling[b], character);
      byte[character] = static_cast<int16_t>(b);
    }
  }
};

const Alphabet& alphabet() {
  static const Alphabet instance;
  return instance;
}

}  // namespace

std::string_view spelling_of_byte(uint8_t byte) {
  return alphabet().spelling[byte];
}

std::optional<std::string> bytes_of_spelling(std::string_view token) {
  const Alphabet& known = alphabet();
  std::string bytes;
  for (size_t at = 0; at < token.size();) {
    const char32_t character = next_code_point(token, at);
    if (character >= kAlphabetEnd || known.byte[character] < 0) {
      return std::nullopt;
    }
    bytes += static_cast<char>(known.byte[character]);
  }
  return bytes;
}

void spell_bytes(AlignedText& text) {
  std::vector<Change> changes;
  changes.reserve(text.text().size());
  for (const char byte : text.text()) {
    const std::string_view spelling = spelling_of_byte(static_cast<uint8_t>(byte));
    size_t begin = 0;
    const bool continues = (static_cast<unsigned char>(byte) & 0xC0) == 0x80;
    changes.push_back({next_code_point(spelling, begin), continues ? 1 : 0});
  }
  text.transform(changes);
}

}  // namespace peft
