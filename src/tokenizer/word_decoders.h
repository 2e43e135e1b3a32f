#pragma once

#include <memory>

#include "decoder.h"

namespace peft {

/// "WordPiece": tokens that go on lose their prefix, others get a space in front; by default
/// the spaces before English punctuation and short forms are taken out.
std::unique_ptr<TokenDecoder> read_word_piece_decoder(JsonReader<ModelError>& reader);

/// "BPEDecoder": the mark of a word's end becomes a space, at the end of the text nothing.
std::unique_ptr<TokenDecoder> read_bpe_decoder(JsonReader<ModelError>& reader);

}  // namespace peft
