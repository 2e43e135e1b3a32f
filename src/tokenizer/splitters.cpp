#include "splitters.h"

#include "characters.h"
#include "peft/util/text.h"

namespace peft {

void PatternSplitter::split(AlignedText& text, std::vector<ByteRange>& words) const {
  const std::string_view all = text.text();
  std::vector<ByteRange> pieces;
  for (const ByteRange& word : words) {
    const auto matches = pattern_.matches(all.substr(word.begin, word.size()));
    for (const ByteRange& piece : split_at(word.size(), matches, behavior_, invert_)) {
      pieces.push_back({word.begin + piece.begin, word.begin + piece.end});
    }
  }
  words = std::move(pieces);
}

void CharacterSplitter::split(AlignedText& text, std::vector<ByteRange>& words) const {
  const std::string_view all = text.text();
  std::vector<ByteRange> pieces;
  std::vector<ByteRange> matches;
  for (const ByteRange& word : words) {
    matches.clear();
    for (size_t at = word.begin; at < word.end;) {
      const size_t begin = at;
      if (is_delimiter_(next_code_point(all, at))) {
        matches.push_back({begin - word.begin, at - word.begin});
      }
    }
    for (const ByteRange& piece : split_at(word.size(), matches, behavior_, /*invert=*/false)) {
      pieces.push_back({word.begin + piece.begin, word.begin + piece.end});
    }
  }
  words = std::move(pieces);
}

void BertPreTokenizer::split(AlignedText& text, std::vector<ByteRange>& words) const {
  const std::string_view all = text.text();
  std::vector<ByteRange> pieces;
  for (const ByteRange& word : words) {
    size_t open = word.begin;  // where the piece begins that is being read
    for (size_t at = word.begin; at < word.end;) {
      const size_t begin = at;
      const char32_t c = next_code_point(all, at);
      const bool alone = is_punctuation(c);
      if (!alone && !is_whitespace(c)) {
        continue;
      }
      if (begin > open) {
        pieces.push_back({open, begin});
      }
      if (alone) {
        pieces.push_back({begin, at});
      }
      open = at;
    }
    if (word.end > open) {
      pieces.push_back({open, word.end});
    }
  }
  words = std::move(pieces);
}

}  // namespace peft
