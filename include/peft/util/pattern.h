#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace peft {

/// A regular expression (PCRE2, UTF-8, Unicode properties) with match, depth and heap limits, so
/// that a hostile pattern or subject ends in an error and never in a hang.
class Pattern {
 public:
  /// Throws std::invalid_argument with the library's message and the offset of the fault.
  explicit Pattern(std::string_view expression);
  ~Pattern();
  Pattern(Pattern&&) noexcept;
  Pattern& operator=(Pattern&&) noexcept;

  /// First match at or after byte `from`: byte offsets [begin, end). `subject` must be valid UTF-8,
  /// which is checked only when `from` is 0, and `from` the beginning of a character. Throws
  /// std::runtime_error when a limit is hit.
  std::optional<std::pair<size_t, size_t>> find(std::string_view subject, size_t from = 0) const;

  /// True if the whole subject matches (Python's re.fullmatch).
  bool full_match(std::string_view subject) const;

 private:
  struct Compiled;
  std::unique_ptr<Compiled> compiled_;
};

}  // namespace peft
