#pragma once

#include <filesystem>

#include "peft/interchange/gguf_model.h"
#include "peft/io/gguf.h"
#include "peft/io/safetensors.h"

namespace peft {

/// Writes every tensor under its Hugging Face name in `dtype` (kBF16, kF16 or kF32), tensor by
/// tensor, with what llama.cpp's converter changed undone. Throws ModelError before anything is
/// written when a tensor is missing, unknown or of another shape than the config says. Returns the
/// number of elements.
int64_t write_gguf_weights(const GgufFile& file, const GgufModel& model, Dtype dtype,
                           const std::filesystem::path& out);

}  // namespace peft
