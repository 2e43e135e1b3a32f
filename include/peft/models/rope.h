#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "peft/kernels/tensor.h"
#include "peft/util/json.h"

namespace peft {

/// A config's rope in one spelling, that of "rope_parameters": transformers 4 has "rope_theta",
/// "partial_rotary_factor" and "original_max_position_embeddings" beside a "rope_scaling", and
/// "type" for "rope_type".
Json rope_settings(const Json& config);

/// Rotary frequencies of a model, with its scaling for long contexts (default, linear, dynamic,
/// llama3, yarn, longrope).
class Rope {
 public:
  /// `settings`: as `rope_settings` gives them. `head_dim` is Dh, `positions` the model's
  /// max_position_embeddings. Throws ModelError for a type we do not know.
  Rope(const Json& settings, int64_t head_dim, int64_t positions, const std::string& where);

  /// cos and sin of every row, (N, R/2) float32 each, times the attention factor. `longest` is the
  /// longest segment's length so far, which dynamic scaling and longrope
  /// depend on. positions: (N) int64.
  std::pair<Tensor, Tensor> tables(const Tensor& positions, int64_t longest) const;

 private:
  Tensor frequencies(int64_t longest) const;

  std::string type_ = "default";
  double theta_ = 1e4;
  double factor_ = 1.0;
  double attention_factor_ = 1.0;
  int64_t dimensions_;  // R
  int64_t original_positions_;
  Tensor frequencies_;       // (R/2) float32
  Tensor long_frequencies_;  // the same beyond the original positions; longrope alone has them
};

}  // namespace peft
