#pragma once

#include <memory>
#include <string>
#include <vector>

#include "peft/models/causal_lm.h"
#include "peft/models/config_fields.h"
#include "peft/models/registry.h"
#include "peft/models/rope.h"
#include "peft/nn/block.h"

namespace peft {

/// What a family calls the parts of a decoder; with dots where they are nested.
struct DecoderNames {
  std::string trunk = "model";
  std::string embedding = "embed_tokens";
  std::string layers = "layers";
  std::string norm = "norm";
  std::string classifier = "score";  ///< the classification head, where there is one
};

/// The shape of a blueprint's model.
ModelShape decoder_shape(const ModelBlueprint& blueprint, const DecoderSizes& sizes);

/// The parts of a decoder, for its constructor.
struct DecoderParts {
  ModelShape shape;
  DecoderNames names;
  std::vector<std::shared_ptr<Block>> blocks;
  std::shared_ptr<Norm> norm;   ///< behind the last block; null: none
  std::vector<Rope> ropes;      ///< whose angles the blocks get, in this order
  int64_t embedding_width = 0;  ///< of embeddings and head; 0: D
  bool classifier_bias = false;
};

/// Token embedding, blocks, last norm and head: an architecture gives its blocks. One that enters
/// or leaves the stream of blocks in its own way derives from this.
class Decoder : public CausalLM {
 public:
  Decoder(DecoderParts parts, const ModelBlueprint& blueprint);

  std::vector<NamedResidual> residuals() const override;
  Linear& head() const override { return *head_; }
  Embedding& token_embedding() const override { return *embedding_; }
  bool keeps_states(int64_t before, int64_t after) const override;

 protected:
  Tensor trunk(const ModelInput& input, KvCache* cache) const override;

  /// What the first block gets, (N, D).
  virtual Tensor enter(const ModelInput& input) const { return input.embeddings; }
  /// What the head gets of the last block's result, (N, D).
  virtual Tensor leave(const Tensor& x) const { return norm_ != nullptr ? norm_->forward(x) : x; }

  /// The module that the checkpoint's trunk names belong to.
  torch::nn::Module& trunk_module() { return *trunk_; }

 private:
  std::string layers_path_;  // "model.layers"
  std::vector<Rope> ropes_;
  torch::nn::Module* trunk_;  // a module of this one
  std::shared_ptr<Embedding> embedding_;
  std::vector<std::shared_ptr<Block>> blocks_;
  std::shared_ptr<Norm> norm_;
  std::shared_ptr<Linear> head_;
};

}  // namespace peft
