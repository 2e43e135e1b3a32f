#pragma once

#include "pre_tokenizer.h"
#include "split_pattern.h"

namespace peft {

/// Cuts at the matches of a pattern.
class PatternSplitter final : public PreTokenizer {
 public:
  PatternSplitter(SplitPattern pattern, SplitBehavior behavior, bool invert)
      : pattern_(std::move(pattern)), behavior_(behavior), invert_(invert) {}
  void split(AlignedText& text, std::vector<ByteRange>& words) const override;

 private:
  SplitPattern pattern_;
  SplitBehavior behavior_;
  bool invert_;
};

/// Cuts at the characters of a class.
class CharacterSplitter final : public PreTokenizer {
 public:
  using Class = bool (*)(char32_t);
  CharacterSplitter(Class is_delimiter, SplitBehavior behavior)
      : is_delimiter_(is_delimiter), behavior_(behavior) {}
  void split(AlignedText& text, std::vector<ByteRange>& words) const override;

 private:
  Class is_delimiter_;
  SplitBehavior behavior_;
};

/// Drops white space and makes every punctuation character a word of its own.
class BertPreTokenizer final : public PreTokenizer {
 public:
  void split(AlignedText& text, std::vector<ByteRange>& words) const override;
};

}  // namespace peft
