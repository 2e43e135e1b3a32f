#pragma once

#include <filesystem>
#include <memory>

#include "peft/tokenizer/tokenizer.h"
#include "peft/util/json.h"
#include "special_tokens.h"

namespace peft {

/// The tokenizer of a tokenizer.json's content. Throws ModelError with `where`.
std::unique_ptr<Tokenizer> make_tokenizer(const Json& json, const TokenizerConfig& config,
                                          const std::string& where);

/// The tokenizer that a tokenizer.json describes.
std::unique_ptr<Tokenizer> load_tokenizer_json(const std::filesystem::path& file,
                                               const TokenizerConfig& config);

}  // namespace peft
