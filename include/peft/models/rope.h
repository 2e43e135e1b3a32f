#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "peft/kernels/tensor.h"
#include "peft/util/json.h"

namespace peft {

/// Rotary frequencies of a model, with its scaling for long contexts (default, linear, dynamic,
/// llama3, yarn), in the config spellings of transformers 4 and 5.
class Rope {
 public:
  /// Reads "rope_parameters", or "rope_theta" and "rope_scaling". `head_dim` is Dh, `positions` the
  /// model's max_position_embeddings. Throws ModelError for a type we do not know.
  Rope(const Json& config, int64_t head_dim, int64_t positions, const std::string& where);

  /// cos and sin of every row, (N, R/2) float32 each, times the attention factor. `longest` is the
  /// longest segment's length so far, which dynamic scaling depends on. positions: (N) int64.
  std::pair<Tensor, Tensor> tables(const Tensor& positions, int64_t longest) const;

 private:
  Tensor frequencies(int64_t longest) const;

  std::string type_ = "default";
  double theta_ = 1e4;
  double factor_ = 1.0;
  double attention_factor_ = 1.0;
  int64_t dimensions_;  // R
  int64_t original_positions_;
  Tensor frequencies_;  // (R/2) float32
};

}  // namespace peft
