#pragma once

#include <filesystem>
#include <memory>

#include "peft/tokenizer/tokenizer.h"
#include "special_tokens.h"

namespace peft {

/// The tokenizer of a sentencepiece model (tokenizer.model, spiece.model): the stages that
/// transformers makes of it. Special tokens are found in texts and each part between them is
/// encoded by itself ("legacy", the default) or goes on from the one before; BOS is added unless
/// the config says otherwise, EOS only if it says so. A spiece.model with no class named is T5's:
/// EOS is added, and a hundred sentinels (<extra_id_0>) follow the pieces. Throws ModelError for a
/// class of the config that uses its model in another way.
std::unique_ptr<Tokenizer> load_tokenizer_model(const std::filesystem::path& file,
                                                const TokenizerConfig& config);

}  // namespace peft
