#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "peft/config/rope_settings.h"
#include "peft/kernels/segments.h"
#include "peft/kernels/tensor.h"
#include "peft/util/json.h"

namespace peft {

/// Rotary frequencies of a model, with its scaling for long contexts (default, linear, dynamic,
/// llama3, yarn, longrope).
class Rope {
 public:
  /// `settings`: as `rope_settings` gives them. `head_dim` is Dh, `positions` the model's
  /// max_position_embeddings. Throws ModelError for a type we do not know.
  Rope(const Json& settings, int64_t head_dim, int64_t positions, const std::string& where);

  /// cos and sin of every row, (N, R/2) float32 each, times the attention factor. Dynamic scaling
  /// and longrope depend on a sequence's last position; a shared prefix goes with the longest.
  /// positions: (N) int64.
  std::pair<Tensor, Tensor> tables(const Tensor& positions, const Segments& segments) const;

  /// Whether the angles of a sequence's tokens change when it grows from `before` to `after`.
  bool changes(int64_t before, int64_t after) const {
    return depends_on_length() && after > original_positions_ &&
           (before <= original_positions_ || type_ == "dynamic");
  }

 private:
  bool depends_on_length() const { return type_ == "dynamic" || type_ == "longrope"; }
  Tensor frequencies(int64_t length) const;

  std::string type_ = "default";
  double theta_ = 1e4;
  double factor_ = 1.0;
  double attention_factor_ = 1.0;
  int64_t dimensions_;  // R
  int64_t original_positions_;
  Tensor frequencies_;       // (R/2) float32
  Tensor long_frequencies_;  // the same beyond the original positions; longrope alone has them
};

/// For families that rotate whole heads, as the reference reads no other share for them. Throws
/// ModelError for a partial_rotary_factor other than 1.
void check_whole_heads(const Json& settings, const std::string& where);

}  // namespace peft
