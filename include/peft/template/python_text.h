#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace peft {

/// Text as Python's str sees it: UTF-8 in, UTF-8 out, counted in code points.

/// str.isspace of one code point.
bool is_python_space(char32_t code_point);

/// str.isprintable of one code point.
bool is_python_printable(char32_t code_point);

/// Upper and lower case with the one-to-many cases of Unicode (ß -> SS).
std::string python_upper(std::string_view text);
std::string python_lower(std::string_view text);
/// str.capitalize and str.title.
std::string python_capitalize(std::string_view text);
std::string python_title(std::string_view text);
/// 1 for upper case, -1 for lower case, 0 for characters without case.
int python_case(char32_t code_point);

/// str.strip: of white space, or of any of `characters`.
enum class StripSides { kBoth, kLeft, kRight };
std::string_view python_strip(std::string_view text, StripSides sides,
                              std::optional<std::string_view> characters = std::nullopt);

/// str.split and str.rsplit; no separator means runs of white space; `limit` < 0 means no limit.
std::vector<std::string> python_split(std::string_view text,
                                      std::optional<std::string_view> separator, int64_t limit,
                                      bool from_right = false);

/// str.splitlines; `keep_ends` leaves the line ends on.
std::vector<std::string> python_lines(std::string_view text, bool keep_ends = false);

/// str.replace; `limit` < 0 means all.
std::string python_replace(std::string_view text, std::string_view from, std::string_view to,
                           int64_t limit);
/// How often `part` occurs without overlap, at most `limit` if that is not negative.
int64_t count_occurrences(std::string_view text, std::string_view part, int64_t limit = -1);
/// Byte offset of the first occurrence at or after `from`; npos when absent. Linear time.
size_t find_part(std::string_view text, std::string_view part, size_t from = 0);
/// Byte offset of the last occurrence.
size_t find_last_part(std::string_view text, std::string_view part);

std::vector<std::string> characters(std::string_view text);

/// &, <, >, " and ' as entities, as markupsafe writes them.
std::string markup_escaped(std::string_view text);

/// repr of a str and of a float.
std::string python_quoted(std::string_view text);
std::string python_real(double value);

}  // namespace peft
