#pragma once

#include <memory>

#include "peft/methods/virtual_tokens.h"

namespace peft {

/// P-tuning's network over P embeddings of width D (Liu et al. 2021, section 3.2): an MLP with two
/// hidden layers, or a bidirectional LSTM and an MLP, by "encoder_reparameterization_type". Sizes
/// and parameter names are Hugging Face PEFT's.
std::shared_ptr<PromptEncoder> p_tuning_encoder(const Json& config, int64_t width,
                                                at::Device device, uint64_t seed);

/// Prefix tuning's network (Li & Liang 2021, section 4.3): embeddings of width T, a hidden layer
/// with tanh, and one row of 2 L T numbers per virtual token.
std::shared_ptr<PromptEncoder> prefix_encoder(const Json& config, int64_t token_dim, int64_t layers,
                                              at::Device device, uint64_t seed);

}  // namespace peft
