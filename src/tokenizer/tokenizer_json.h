#pragma once

#include <filesystem>
#include <memory>

#include "peft/tokenizer/tokenizer.h"
#include "special_tokens.h"

namespace peft {

/// The tokenizer that a tokenizer.json describes.
std::unique_ptr<Tokenizer> load_tokenizer_json(const std::filesystem::path& file,
                                               const TokenizerConfig& config);

}  // namespace peft
