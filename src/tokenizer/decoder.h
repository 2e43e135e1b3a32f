#pragma once

#include <memory>
#include <string>
#include <vector>

#include "peft/util/json.h"

namespace peft {

/// Turns the spellings of tokens back into text: the "decoder" of tokenizer.json. The text is what
/// the parts that the last decoder leaves make together.
class TokenDecoder {
 public:
  virtual ~TokenDecoder() = default;
  virtual std::vector<std::string> decode(std::vector<std::string> tokens) const = 0;
};

/// Reads a decoder of any known type. Throws ModelError that names an unknown one.
std::unique_ptr<TokenDecoder> read_decoder(const Json& json, const std::string& where);

/// The bytes as text, with U+FFFD for each longest piece that begins like a character and is none.
std::string utf8_lossy(std::string bytes);

}  // namespace peft
