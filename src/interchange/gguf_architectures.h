#pragma once

#include "peft/interchange/gguf_model.h"

namespace peft {

class GgufFields;

// One function per Hugging Face family; the table in gguf_model.cpp says which GGUF architecture
// is read by which.
GgufModel read_llama_family(const GgufFields& fields);
GgufModel read_gemma_family(const GgufFields& fields);
GgufModel read_phi3(const GgufFields& fields);
GgufModel read_gpt2(const GgufFields& fields);
GgufModel read_gpt_neox(const GgufFields& fields);

}  // namespace peft
