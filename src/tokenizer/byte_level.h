#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "aligned_text.h"

namespace peft {

/// The byte-level alphabet of GPT-2: every byte has a printable character that stands for it in
/// the vocabulary (a space is "Ġ").
std::string_view spelling_of_byte(uint8_t byte);

/// The bytes that a token of the alphabet stands for; nothing if a character is not of the
/// alphabet.
std::optional<std::string> bytes_of_spelling(std::string_view token);

/// Spells a text in the alphabet. The first byte of a character replaces it, the others are
/// inserted.
void spell_bytes(AlignedText& text);

/// The expression that splits words for GPT-2.
constexpr std::string_view kGpt2Split =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

}  // namespace peft
