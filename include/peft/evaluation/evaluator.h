#pragma once

#include <cstdint>
#include <span>

#include "peft/data/example.h"
#include "peft/models/causal_lm.h"

namespace peft {

/// Teacher-forced scores over a data set; sums, so that nothing is a mean of means.
struct Evaluation {
  double loss_sum = 0.0;
  int64_t scored_tokens = 0;
  int64_t correct_tokens = 0;  ///< the model's first choice was the label
  int64_t tokens = 0;
  int64_t rows = 0;
  int64_t batch_tokens =
      0;  ///< of the largest batch in the end: what was asked for, or memory held
  double seconds = 0.0;

  /// NaN-free only if the model is: a NaN loss stays one.
  double loss() const { return loss_sum / static_cast<double>(scored_tokens); }
  double perplexity() const;
  /// Share of the scored tokens, or of a classifier's rows, that the model has right.
  double accuracy() const {
    return static_cast<double>(correct_tokens) / static_cast<double>(scored_tokens);
  }
};

/// Runs every example once, longest first, in ragged batches of at most `batch_tokens` tokens (a
/// longer row stands alone). When the device's memory runs out, the batch at hand and all after it
/// are halved. A signal ends it between two batches. Throws DataError when no token is scored,
/// MemoryError when one row alone is too large, Stopped or Interrupted.
Evaluation evaluate(const CausalLM& model, std::span<const Example> examples, int64_t batch_tokens,
                    at::Device device);

}  // namespace peft
