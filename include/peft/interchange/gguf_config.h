#pragma once

#include <cstdint>
#include <string>

#include "peft/io/gguf.h"
#include "peft/util/json.h"

namespace peft {

/// Sizes of a llama-architecture GGUF file, checked against each other.
struct GgufLlama {
  int64_t layers = 0;
  int64_t hidden = 0;
  int64_t mlp = 0;
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  int64_t positions = 0;
  int64_t vocabulary = 0;
  double eps = 0.0;
  double rope_theta = 10000.0;
  Json rope_scaling = nullptr;  ///< as config.json spells it; null when there is none
  bool tied = false;            ///< no output.weight: the embedding is the head
  bool attention_bias = false;
  bool mlp_bias = false;
};

/// Reads the sizes. Throws ModelError for another architecture, for a key that is missing or out of
/// range and for variants of the architecture that Hugging Face's LlamaForCausalLM does not
/// compute.
GgufLlama read_gguf_llama(const GgufFile& file);

/// config.json without token ids, in a spelling that transformers 4 and 5 read.
Json llama_config(const GgufLlama& llama, const std::string& dtype);

}  // namespace peft
