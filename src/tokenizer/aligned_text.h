#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace peft {

/// Half-open range of bytes.
struct ByteRange {
  size_t begin = 0;
  size_t end = 0;
  size_t size() const { return end - begin; }
  bool operator==(const ByteRange&) const = default;
};

/// One character of a changed text: how it relates to the old one. 0 replaces a character, a
/// positive number inserts, -n replaces one and removes the n characters behind it.
struct Change {
  char32_t character = 0;
  int change = 0;
};

/// A part of a text that normalisers may change while every byte remembers which bytes of the
/// original it came from. The rules for what belongs to what are those of Hugging Face's library,
/// because they are visible as token offsets.
class AlignedText {
 public:
  /// `text` begins at byte `base` of the original and is still unchanged.
  AlignedText(std::string_view text, size_t base) : text_(text), base_(base) {}

  const std::string& text() const { return text_; }
  bool empty() const { return text_.empty(); }
  /// Byte of the original where this part begins.
  size_t base() const { return base_; }

  /// Bytes of the original behind the bytes `range` of the text: whole characters.
  ByteRange original(const ByteRange& range) const;

  /// Replaces the whole text by the characters of `changes`; the first `removed` characters of the
  /// old text have no change of their own.
  void transform(std::span<const Change> changes, size_t removed = 0);

  /// Puts characters in front of each of the bytes `places`, which ascend and lie inside the text;
  /// they belong to the character that stands there.
  void insert_before(std::span<const size_t> places, std::string_view inserted);

  /// Puts `content` in the place of each range; ranges ascend and do not overlap.
  void replace(std::span<const ByteRange> ranges, std::string_view content);

  /// Drops everything outside the range.
  void keep(const ByteRange& range);

  /// A part of its own; what lies before it is not its text.
  AlignedText slice(const ByteRange& range) const;

 private:
  using Origin = std::pair<uint32_t, uint32_t>;
  void remember_origins();

  std::string text_;
  std::vector<Origin> origins_;  // one per byte; empty while the text is unchanged
  size_t base_;
};

/// Bytes of the UTF-8 character that begins with `first`.
size_t utf8_length(char first);

}  // namespace peft
