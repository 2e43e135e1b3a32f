#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "peft/methods/adapter.h"
#include "peft/nn/embedding.h"

namespace peft {

/// One matrix as a module, so that its parameter is called "lora_A.weight" as in the files.
class Matrix final : public torch::nn::Module {
 public:
  Matrix(int64_t rows, int64_t columns, at::Device device, bool with_bias = false);
  Tensor weight;  // (rows, columns) float32
  Tensor bias;    // (rows) float32 or undefined
};

/// How a LoRA pair rides on its projection.
struct LoraShape {
  int64_t rank = 0;
  double scale = 0.0;
  double dropout = 0.0;
  int64_t dropout_key = 0;  ///< tells this projection's masks from others'
  bool dora = false;
  bool bias = false;  ///< a bias on B
};

/// h = W x + s B A drop(x), with A (R, in), B (out, R) and s = alpha / R (Hu et al. 2021, section
/// 4.1) or alpha / sqrt(R) (rsLoRA, Kalajdzievski 2023, theorem 3.2). B starts at zero, so an
/// untrained adapter leaves the host as it was.
///
/// With DoRA (Liu et al. 2024, equation 5) the sum W + s B A is scaled by row to the length m, a
/// trained vector (out); the row's own length is a constant for the gradient.
///
/// With a start taken from the host itself (PiSSA, OLoRA) the host counts as W - s B0 A0, where A0
/// and B0 are the start values.
class LoraLinear final : public LinearHook {
 public:
  LoraLinear(const Linear& host, const LoraShape& shape, std::shared_ptr<DropoutKeys> keys);

  Tensor forward(const Linear& host, const Tensor& x) override;
  Tensor merged_weight(const Tensor& weight) const override;
  Tensor merged_bias(const Tensor& bias) const override;

  /// Start values by PEFT's rules for `init_lora_weights`: true, false or "gaussian".
  void start(const Json& init, uint64_t seed, const std::string& path);
  /// Start values from the host's matrix, (out, in) float32: "pissa" or "olora".
  void start_from(const std::string& init, const Tensor& weight);
  /// Lengths of the host's rows, which DoRA needs; the start of m when `set_magnitude`.
  void set_row_lengths(const Tensor& weight, bool set_magnitude);
  /// The weights have changed: DoRA's lengths are computed anew.
  void weights_changed() { length_ = Tensor(); }

  const Tensor& A() const { return a_->weight; }
  const Tensor& B() const { return b_->weight; }
  const Tensor& start_A() const { return start_a_; }  ///< undefined without a start from the host
  const Tensor& start_B() const { return start_b_; }
  double scale() const { return shape_.scale; }

 private:
  Tensor dropped(const Tensor& x) const;
  Tensor low_rank(const Linear& host, const Tensor& x, const Tensor& bias,
                  const Tensor& dropped) const;
  Tensor update() const;                           // s (B A - B0 A0), (out, in)
  Tensor row_lengths(const Tensor& weight) const;  // of W + s B A, (out)
  Tensor kept_row_lengths(const Linear& host);

  LoraShape shape_;
  std::shared_ptr<DropoutKeys> keys_;
  std::shared_ptr<Matrix> a_, b_;
  Tensor magnitude_;          // (out), DoRA
  Tensor host_lengths_;       // (out) squared lengths of the host's rows
  Tensor length_;             // (out) of W + s B A as it stands; undefined: to be computed
  Tensor start_a_, start_b_;  // (R, in), (out, R)
};

/// E(ids) + s A[:, ids]^T B^T, with A (R, V), zero at the start, and B (D, R).
class LoraEmbedding final : public EmbeddingHook {
 public:
  LoraEmbedding(const Embedding& host, int64_t rank, double scale);
  Tensor forward(const Embedding& host, const Tensor& ids) override;
  Tensor merged_weight(const Tensor& weight) const override;
  void start(uint64_t seed, const std::string& path);
  double scale() const { return scale_; }

 private:
  double scale_;
  Tensor a_, b_;
};

}  // namespace peft
