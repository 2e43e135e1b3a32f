#pragma once

#include "prefix_trie.h"
#include "token_model.h"

namespace peft {

/// WordPiece (Schuster and Nakajima 2012, as in BERT): the longest token at the beginning of a
/// word, then again and again the longest that goes on; a word that cannot be said so is unknown.
class WordPieceModel final : public TokenModel {
 public:
  /// Reads the "model" object of a tokenizer.json.
  WordPieceModel(const Json& model, const std::string& where);

  void encode(std::string_view word, std::vector<Symbol>& symbols) const override;

 private:
  void index_tokens(const std::string& prefix);

  PrefixTrie first_;  // tokens that begin a word
  PrefixTrie later_;  // those that go on, without their prefix
  int32_t unknown_ = 0;
  size_t longest_word_ = 100;  // in characters; a longer one is unknown
};

}  // namespace peft
