#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace peft {

/// Edit distance with transpositions (optimal string alignment).
size_t edit_distance(std::string_view a, std::string_view b);

/// The text with control characters and broken UTF-8 made visible (\n, \x1b), fit for one line.
std::string escaped(std::string_view text);

/// True if the text is well-formed UTF-8 (no surrogates, no overlong forms).
bool is_utf8(std::string_view text);

/// Decodes the code point at `offset` and moves `offset` behind it. The text must be valid UTF-8.
char32_t next_code_point(std::string_view text, size_t& offset);

/// Code points of a valid text, and the byte offset of the n-th (the size of the text when past
/// it).
int64_t count_code_points(std::string_view text);
size_t code_point_offset(std::string_view text, int64_t index);

/// Appends one code point as UTF-8.
void append_utf8(std::string& text, char32_t code_point);

/// 1,234,567
std::string with_commas(int64_t number);

/// "1.2 GB", powers of 1000.
std::string human_bytes(int64_t bytes);

/// "1 h 02 min", "3 min 05 s", "4.2 s".
std::string human_seconds(double seconds);

std::vector<std::string> split(std::string_view text, char separator);
std::string join(const std::vector<std::string>& parts, std::string_view separator);
std::string lower_ascii(std::string_view text);

/// The text without white space (ASCII) around it.
std::string without_space(std::string_view text);

}  // namespace peft
