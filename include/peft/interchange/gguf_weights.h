#pragma once

#include <filesystem>

#include "peft/interchange/gguf_config.h"
#include "peft/io/gguf.h"
#include "peft/io/safetensors.h"

namespace peft {

/// Writes every tensor under its Hugging Face name in `dtype` (kBF16, kF16 or kF32), tensor by
/// tensor, with the rows of q and k back in Hugging Face's order. Throws ModelError before anything
/// is written when a tensor is missing, unknown or of another shape than the config says. Returns
/// the number of elements.
int64_t write_gguf_weights(const GgufFile& file, const GgufLlama& llama, Dtype dtype,
                           const std::filesystem::path& out);

}  // namespace peft
