#pragma once

#include <memory>
#include <string>
#include <utility>

#include "peft/methods/adapter.h"

namespace peft {

/// Where trained virtual tokens come from: a table of their own, or a small network over one. The
/// network trains; a file holds what it gives.
class PromptEncoder : public torch::nn::Module {
 public:
  /// The virtual tokens' rows, (P, width) float32, differentiable.
  virtual Tensor prompt() = 0;
};

/// Rows that train as they are.
class PromptTable final : public PromptEncoder {
 public:
  explicit PromptTable(const Tensor& start);
  Tensor prompt() override { return rows_; }

 private:
  Tensor rows_;  // (P, width)
};

/// What prompt tuning, P-tuning and prefix tuning share: one tensor in the file,
/// "prompt_embeddings", whatever trains it, and its value for the micro-batch at hand.
class VirtualTokenAdapter : public Adapter {
 public:
  VirtualTokenAdapter(CausalLM& model, Json json) : Adapter(model), json_(std::move(json)) {}

  Json config() const override { return json_; }
  int64_t virtual_tokens() const override { return json_.at("num_virtual_tokens").get<int64_t>(); }
  NamedTensors exported() const override;
  /// A file without the encoder: its rows train directly from here on, and the log says so.
  void import_tensors(const NamedTensors& tensors, const std::string& where) override;
  void train(bool on) override;
  void begin_batch(const Tensor& row_keys) override;
  void end_batch() override;
  std::string merge_obstacle() const override;

  /// The rows for the forward at hand, (P, width) float32. Inside a micro-batch a leaf, so that the
  /// encoder runs once however often the rows are used; its gradient goes on in `end_batch`.
  Tensor rows();

 protected:
  NamedTensors importable() const override;
  /// Called once by the derived constructor, when the encoder is known. Fills PEFT's fields.
  void set_encoder(std::shared_ptr<PromptEncoder> encoder, int64_t token_dim, int64_t heads);

  Json json_;

 private:
  void take_rows(const Tensor& rows, const std::string& where);

  std::shared_ptr<PromptEncoder> encoder_;
  Tensor computed_;  // by the encoder, with its graph
  Tensor leaf_;      // its detached value, which the forward uses
  bool in_batch_ = false;
};

}  // namespace peft
