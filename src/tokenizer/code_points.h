#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace peft {

/// Counts the code points before a byte of a text, in steps from the place last asked for: whoever
/// asks in ascending order pays once for the text.
class CodePointCounter {
 public:
  explicit CodePointCounter(std::string_view text) : text_(text) {}

  /// Code points before `byte`, which begins a character or ends the text.
  int64_t before(size_t byte) {
    for (; at_ < byte; ++at_) {
      count_ += begins_character(at_);
    }
    while (at_ > byte) {
      --at_;
      count_ -= begins_character(at_);
    }
    return count_;
  }

 private:
  int64_t begins_character(size_t byte) const {
    return (static_cast<unsigned char>(text_[byte]) & 0xC0) != 0x80 ? 1 : 0;
  }

  std::string_view text_;
  size_t at_ = 0;
  int64_t count_ = 0;
};

}  // namespace peft
