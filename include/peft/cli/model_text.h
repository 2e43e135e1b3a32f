#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "peft/data/dataset.h"

namespace peft {

/// What a model folder says about text: tokenizer, chat template, stop tokens, positions. Weights
/// are not needed.
struct ModelText {
  std::unique_ptr<Tokenizer> tokenizer;
  std::optional<ChatTemplate> chat_template;
  std::vector<int32_t> stop_ids;
  std::string tokenizer_hash;
  Json config;                       ///< config.json, or an empty object
  std::optional<int64_t> positions;  ///< config.json's maximum; absent when it names none

  TextPipeline pipeline() const {
    return {*tokenizer, chat_template ? &*chat_template : nullptr, stop_ids, tokenizer_hash};
  }
};

/// Reads the folder. `chat_template`: tokenizer, chatml or a file. Throws ModelError.
ModelText read_model_text(const std::filesystem::path& folder, const std::string& chat_template);

}  // namespace peft
