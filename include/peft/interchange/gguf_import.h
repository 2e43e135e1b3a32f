#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace peft {

/// How a GGUF file becomes a model folder.
struct ImportOptions {
  std::string dtype = "bfloat16";  ///< of the written weights: bfloat16, float16, float32
  bool overwrite = false;          ///< replace a folder that exists
};

/// What was written.
struct ImportSummary {
  int64_t tensors = 0;
  int64_t parameters = 0;
  int64_t tokens = 0;  ///< size of the vocabulary
};

/// Turns a GGUF file of an architecture we know (gguf_model.h) into a complete Hugging Face folder:
/// config.json, model.safetensors, tokenizer.json, tokenizer_config.json, generation_config.json.
/// The folder appears whole or not at all. Throws ModelError for what the file does not hold or we
/// do not know, UsageError for a folder that exists, IoError when it cannot be written.
ImportSummary import_gguf(const std::filesystem::path& gguf, const std::filesystem::path& out,
                          const ImportOptions& options = {});

}  // namespace peft
