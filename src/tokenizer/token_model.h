#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "peft/util/json.h"
#include "vocabulary.h"

namespace peft {

/// A token of a word and how many of its bytes it stands for. A token of length 0 stands for the
/// same bytes as the next one that has a length: byte tokens of one unknown piece.
struct Symbol {
  int32_t id = 0;
  uint32_t length = 0;
};

/// Cuts words into tokens of a vocabulary: the "model" of tokenizer.json.
class TokenModel {
 public:
  virtual ~TokenModel() = default;

  const Vocabulary& vocabulary() const { return vocabulary_; }

  /// Appends the symbols of one word. Their lengths add up to the word's unless characters are
  /// unknown and there is no unknown token. Throws DataError when the model cannot say a word.
  virtual void encode(std::string_view word, std::vector<Symbol>& symbols) const = 0;

 protected:
  Vocabulary vocabulary_;
};

/// Reads a model of any known type. `byte_level`: words come as raw bytes and the vocabulary spells
/// them in the byte-level alphabet. Throws ModelError that names an unknown type.
std::unique_ptr<TokenModel> read_token_model(const Json& model, bool byte_level,
                                             const std::string& where);

/// Reads {"token": id, ...}.
void read_vocabulary(const Json& json, Vocabulary& vocabulary, const std::string& where);

/// The id of "unk_token". Throws ModelError when it is missing or not in the vocabulary.
int32_t require_unknown_token(JsonReader<ModelError>& reader, const Vocabulary& vocabulary);

}  // namespace peft
