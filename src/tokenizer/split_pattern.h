#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aligned_text.h"
#include "peft/util/json.h"
#include "peft/util/pattern.h"

namespace peft {

/// What tokenizer.json calls a pattern: a text or a regular expression in Oniguruma's (Ruby's)
/// spelling, whose matches are found one after another.
class SplitPattern {
 public:
  static SplitPattern text(std::string text);
  /// Throws ModelError with `where` when the expression is faulty or means something we do not
  /// have.
  static SplitPattern expression(const std::string& expression, const std::string& where);
  /// {"String": "..."} or {"Regex": "..."}.
  static SplitPattern read(const Json& json, const std::string& where);

  /// Non-overlapping matches within `subject`, left to right. Throws DataError when a limit of the
  /// matcher is hit.
  std::vector<ByteRange> matches(std::string_view subject) const;

 private:
  SplitPattern() = default;
  std::string text_;
  std::optional<Pattern> pattern_;
};

/// An expression of Ruby's dialect in the spelling of PCRE2 with the same meaning. Throws
/// ModelError with `where` for what has no counterpart.
std::string from_oniguruma(std::string_view expression, const std::string& where);

/// What becomes of the matches when a text is split at them.
enum class SplitBehavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

/// Throws ModelError for an unknown name.
SplitBehavior split_behavior(const std::string& name, const std::string& where);

/// Splits `subject` at `matches`; with `invert` at what lies between them. Empty pieces are
/// dropped.
std::vector<ByteRange> split_at(size_t size, const std::vector<ByteRange>& matches,
                                SplitBehavior behavior, bool invert);

}  // namespace peft
