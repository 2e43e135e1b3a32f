#pragma once

#include <string>
#include <string_view>

#include "peft/tokenizer/tokenizer.h"

namespace peft {

/// A text with its tokens, without those that a tokenizer adds.
struct EncodedText {
  std::string text;
  Encoding tokens;
};

/// The same tokens that the tokenizer makes of `text`, for a fraction of the work where it begins
/// as `known` does: special tokens cut a text into parts that do not know of each other, so what
/// stands in front of the last one in both texts is taken over.
Encoding encode_after(const EncodedText& known, std::string_view text, const Tokenizer& tokenizer);

}  // namespace peft
