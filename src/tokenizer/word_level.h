#pragma once

#include "token_model.h"

namespace peft {

/// Every word is a token of its own or unknown.
class WordLevelModel final : public TokenModel {
 public:
  /// Reads the "model" object of a tokenizer.json.
  WordLevelModel(const Json& model, const std::string& where);

  void encode(std::string_view word, std::vector<Symbol>& symbols) const override;

 private:
  std::optional<int32_t> unknown_;
};

}  // namespace peft
