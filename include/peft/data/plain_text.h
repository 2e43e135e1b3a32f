#pragma once

#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "peft/data/conversation.h"
#include "peft/data/dataset.h"

namespace peft {

/// Encodes a text in which special tokens within the spans `plain` are text. Throws DataError with
/// `where` if the vocabulary itself makes one of it there, as unigram models may.
Encoding encode_plain(const Tokenizer& tokenizer, std::string_view text, bool add_special_tokens,
                      std::span<const TextSpan> plain, const std::string& where);

/// Keeps special tokens that a row spells out apart from those that the chat template writes: each
/// one in the row's strings is broken by a mark behind its first character before rendering, so
/// that it is no token to the template either, and the rendering tells by the marks where they
/// went. The mark is a character that neither row nor template has.
class PlainMarks {
 public:
  /// Throws DataError with `where` if no mark is left to choose, or for a special token of one
  /// character, which cannot be broken.
  PlainMarks(const Conversation& conversation, const TextPipeline& pipeline,
             const std::string& where);

  /// The conversation with its marks, for the template.
  const Conversation& conversation() const { return marked_; }

  /// Takes the marks out of a rendering and tells where the row's special tokens lie then. Throws
  /// DataError for a template that writes marks in another way (as JSON in ASCII).
  std::vector<TextSpan> take_from(std::string& rendering) const;

 private:
  Json marked(const Json& value);
  std::string marked(const std::string& text);
  /// The special token of the row whose first character ends at `place`; empty if none does.
  TextSpan token_around(std::string_view text, size_t place) const;

  const Tokenizer& tokenizer_;
  std::string where_;
  std::string mark_;
  std::set<std::string> tokens_;  // that were broken
  Conversation marked_;
};

}  // namespace peft
