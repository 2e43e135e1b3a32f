#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "peft/methods/adapter.h"

namespace peft {

/// How tokens are chosen, and when to stop.
struct GenerateOptions {
  int64_t max_new_tokens = 128;
  double temperature = 0.0;  ///< 0: the most likely token
  double top_p = 1.0;        ///< smallest set of tokens with at least this probability
  uint64_t seed = 42;
  std::vector<int32_t> stop_ids = {};
  size_t batch = 16;  ///< prompts that are continued side by side
};

/// A continuation; a stop token is not part of it.
struct Generated {
  std::vector<int32_t> ids;
  std::string stop;  ///< "eos", "length" (max_new_tokens) or "positions" (the model has no more)
};

/// Called for each new token with its prompt's index, in order.
using TokenSink = std::function<void(size_t prompt, int32_t id)>;

/// Continues every prompt with a KV cache, `batch` prompts at a time in one ragged batch. Sampling
/// depends on the seed, the prompt's index and the token's place alone. Throws DataError for an
/// empty prompt or one that fills the model's positions, Stopped or Interrupted between two tokens.
std::vector<Generated> generate(const CausalLM& model,
                                const std::vector<std::vector<int32_t>>& prompts,
                                const GenerateOptions& options, at::Device device,
                                const TokenSink& sink = {});

/// What several adapters of one model say together.
enum class Ensemble {
  kMean,  ///< every token from the mean of their probabilities
  kVote   ///< every adapter answers; the answer that most gave wins, the first of equals
};

/// Continues every prompt with several adapters of `model`, each of them suspended before and
/// after.
std::vector<Generated> generate_together(const CausalLM& model,
                                         const std::vector<Adapter*>& adapters, Ensemble ensemble,
                                         const std::vector<std::vector<int32_t>>& prompts,
                                         const GenerateOptions& options, at::Device device);

}  // namespace peft
