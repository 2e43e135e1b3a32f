#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "added_tokens.h"
#include "peft/tokenizer/tokenizer.h"
#include "peft/util/json.h"

namespace peft {

/// What tokenizer_config.json, special_tokens_map.json and added_tokens.json say about tokens, in
/// the spellings of transformers 4 and 5.
struct TokenizerConfig {
  std::string bos, eos, unk, pad;        ///< empty when none is named
  std::string cls, sep, mask;            ///< BERT's and RoBERTa's
  std::vector<std::string> more;         ///< additional_special_tokens, extra_special_tokens
  std::vector<AddedToken> added_tokens;  ///< added_tokens_decoder, else added_tokens.json
  std::optional<bool> add_bos, add_eos, legacy, add_prefix_space;
  std::optional<bool> lower_case, strip_accents, chinese_characters;  ///< BERT's
  std::optional<int64_t> extra_ids;                                   ///< T5's
  std::string tokenizer_class;  ///< transformers' name of the class; may be empty
};

/// Reads the files of a folder as far as they are there. Throws ModelError for a member of the
/// wrong type.
TokenizerConfig read_tokenizer_config(const std::filesystem::path& model_directory);

/// Completes the tokens that a vocabulary's own file lists: what the config adds or names special
/// is found in texts too. `find` tells a token's id in the vocabulary.
std::vector<AddedToken> with_config(
    std::vector<AddedToken> tokens, const TokenizerConfig& config,
    const std::function<std::optional<int32_t>(std::string_view)>& find);

/// Ids of the four named tokens; one that the tokenizer does not know is left out with a warning.
SpecialTokens special_tokens(const TokenizerConfig& config,
                             const std::function<std::optional<int32_t>(std::string_view)>& find);

}  // namespace peft
