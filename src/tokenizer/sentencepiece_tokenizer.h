#pragma once

#include <filesystem>
#include <memory>

#include "peft/tokenizer/tokenizer.h"
#include "special_tokens.h"

namespace peft {

/// The tokenizer of a tokenizer.model, as transformers' LlamaTokenizer uses it: special tokens are
/// found in texts, each part between them is encoded by itself ("legacy", the default) or goes on
/// from the one before, BOS is added unless the config says otherwise, EOS only if it says so.
std::unique_ptr<Tokenizer> load_tokenizer_model(const std::filesystem::path& file,
                                                const TokenizerConfig& config);

}  // namespace peft
