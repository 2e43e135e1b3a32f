#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "peft/io/gguf.h"

namespace peft {

/// What a GGUF vocabulary says of a token, with the format's numbers.
enum class GgufTokenKind : int32_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6
};

/// The tokenizer.* keys of a GGUF file, checked against each other.
struct GgufVocabulary {
  std::string model;  ///< "gpt2" (byte-level BPE) or "llama" (sentencepiece)
  std::string pre;    ///< how text is split before BPE; "default" when the file does not say
  std::vector<std::string> tokens;
  std::vector<GgufTokenKind> kinds;  ///< one per token
  std::vector<double> scores;        ///< one per token; "llama" only
  std::vector<std::string> merges;   ///< "left right"; "gpt2" only
  std::unordered_map<std::string, int32_t> ids;
  std::optional<int32_t> bos, eos, unk, pad, eot;
  std::optional<bool> add_bos, add_eos, add_space_prefix;
  std::string chat_template;  ///< empty when there is none

  /// Spelling of a token id.
  const std::string& token(int32_t id) const { return tokens[static_cast<size_t>(id)]; }
};

/// Reads the vocabulary of a model with `rows` embedding rows. Throws ModelError for a tokenizer
/// model we do not know, duplicate tokens, ids outside the vocabulary, merges of unknown tokens.
GgufVocabulary read_gguf_vocabulary(const GgufFile& file, int64_t rows);

}  // namespace peft
