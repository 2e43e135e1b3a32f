#pragma once

#include <array>

#include "prefix_trie.h"
#include "token_model.h"

namespace peft {

/// The unigram language model (Kudo 2018): of all ways to cut a word into tokens, the one whose
/// scores (log probabilities) add up to the most. Neighbouring unknown characters are one token.
class UnigramModel final : public TokenModel {
 public:
  /// Reads the "model" object of a tokenizer.json.
  UnigramModel(const Json& model, const std::string& where);

  void encode(std::string_view word, std::vector<Symbol>& symbols) const override;

 private:
  /// The best way to reach a place of the word.
  struct Step {
    double score = 0.0;
    uint32_t begin = kUnreached;
    int32_t id = 0;
  };
  static constexpr uint32_t kUnreached = UINT32_MAX;

  void read_pieces(const Json& pieces, const std::string& where);
  std::vector<Step> best_steps(std::string_view word) const;
  void append_unknown(std::string_view piece, std::vector<Symbol>& symbols) const;

  PrefixTrie trie_;
  std::vector<double> scores_;  // by id
  double unknown_score_ = 0.0;
  std::optional<int32_t> unknown_;
  bool byte_fallback_ = false;
  std::array<int32_t, 256> byte_ids_{};  // that of <0xNN>, or -1
};

/// Rounds the scores of a tokenizer.json's "vocab" as the reference's parser does: two ways to cut
/// a word may differ by the last bit, so that it counts.
void read_scores_as_reference(Json& tokenizer);

}  // namespace peft
