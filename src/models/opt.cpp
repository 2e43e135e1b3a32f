// OPT: learned positions, LayerNorm before each branch (or, in the 350M model, behind each sum),
// biases, ReLU; embeddings may be narrower than the blocks.
#include <ATen/ATen.h>

#include "architectures.h"
#include "peft/models/config_fields.h"
#include "peft/models/decoder.h"

namespace peft {
namespace {

constexpr int64_t kFirstPosition = 2;  // rows of the table before that of position 0
constexpr double kEps = 1e-5;

struct OptConfig {
  DecoderSizes sizes;
  int64_t embedding_width;
  bool bias, norm_before, last_norm;
  Activation activation;
};

OptConfig read_opt(const ModelBlueprint& blueprint) {
  const ConfigFields fields(blueprint.config, blueprint.where);
  OptConfig config{};
  config.sizes = read_sizes(fields, {.hidden = 768,
                                     .mlp = fields.size({"ffn_dim"}, 3072),
                                     .layers = 12,
                                     .heads = 12,
                                     .vocabulary = 50272,
                                     .positions = 2048});
  config.embedding_width = fields.size({"word_embed_proj_dim"}, config.sizes.hidden);
  config.bias = fields.flag("enable_bias", true);
  config.norm_before = fields.flag("do_layer_norm_before", true);
  config.last_norm = config.norm_before && !fields.flag("_remove_final_layer_norm", false);
  config.activation = activation(fields.text("activation_function", "relu"), blueprint.where);
  check<ModelError>(fields.flag("layer_norm_elementwise_affine", true),
                    "{}: layer_norm_elementwise_affine: expected true, found false",
                    blueprint.where);
  return config;
}

class OptAttention final : public Attention {
 public:
  OptAttention(const OptConfig& c, int64_t layer, const at::TensorOptions& options)
      : Attention({layer, c.sizes.heads, c.sizes.heads, c.sizes.head_dim}, {}) {
    const auto add = [&](const char* name, Place place) {
      return register_module(
          name, std::make_shared<Linear>(place, c.sizes.hidden, c.sizes.hidden, c.bias, options));
    };
    k_ = add("k_proj", Place::kKey);
    v_ = add("v_proj", Place::kValue);
    q_ = add("q_proj", Place::kQuery);
    out_ = add("out_proj", Place::kAttentionOut);
  }

  Tensor forward(const Tensor& x, const BlockInput& input) const override {
    const auto [k, v] = project_kv(x);
    return attend(split_heads(q_->forward(x), shape().heads), k, v, input);
  }

  std::pair<Tensor, Tensor> project_kv(const Tensor& x) const override {
    return {split_heads(k_->forward(x), shape().heads), split_heads(v_->forward(x), shape().heads)};
  }

 protected:
  const Linear& out_projection() const override { return *out_; }

 private:
  std::shared_ptr<Linear> k_, v_, q_, out_;
};

class OptBlock final : public Block {
 public:
  OptBlock(const OptConfig& c, int64_t layer, const at::TensorOptions& options)
      : norm_before_(c.norm_before),
        f_(c.activation),
        attention_(register_module("self_attn", std::make_shared<OptAttention>(c, layer, options))),
        attention_norm_(register_module(
            "self_attn_layer_norm", std::make_shared<LayerNorm>(c.sizes.hidden, kEps, options))),
        up_(register_module("fc1", std::make_shared<Linear>(Place::kMlpUp, c.sizes.hidden,
                                                            c.sizes.mlp, c.bias, options))),
        down_(register_module("fc2", std::make_shared<Linear>(Place::kMlpDown, c.sizes.mlp,
                                                              c.sizes.hidden, c.bias, options))),
        mlp_norm_(register_module("final_layer_norm",
                                  std::make_shared<LayerNorm>(c.sizes.hidden, kEps, options))) {}

  Tensor forward(const Tensor& x, const BlockInput& input) const override {
    if (norm_before_) {
      const Tensor h =
          attention_residual.add(x, attention_->forward(attention_norm_->forward(x), input));
      return mlp_residual.add(h, mlp(mlp_norm_->forward(h)));
    }
    const Tensor h =
        attention_norm_->forward(attention_residual.add(x, attention_->forward(x, input)));
    return mlp_norm_->forward(mlp_residual.add(h, mlp(h)));
  }

 private:
  Tensor mlp(const Tensor& x) const { return down_->forward(f_(up_->forward(x))); }

  bool norm_before_;
  Activation f_;
  std::shared_ptr<OptAttention> attention_;
  std::shared_ptr<LayerNorm> attention_norm_;
  std::shared_ptr<Linear> up_, down_;
  std::shared_ptr<LayerNorm> mlp_norm_;
};

class OptForCausalLM final : public Decoder {
 public:
  OptForCausalLM(const OptConfig& c, DecoderParts parts, const ModelBlueprint& blueprint)
      : Decoder(std::move(parts), blueprint),
        positions_(trunk_module().register_module(
            "embed_positions", std::make_shared<Embedding>(c.sizes.positions + kFirstPosition,
                                                           c.sizes.hidden, blueprint.options))) {
    if (c.embedding_width != c.sizes.hidden) {
      out_ = add("project_out", c.sizes.hidden, c.embedding_width, blueprint.options);
      in_ = add("project_in", c.embedding_width, c.sizes.hidden, blueprint.options);
    }
  }

 protected:
  Tensor enter(const ModelInput& input) const override {
    const Tensor x = in_ != nullptr ? in_->forward(input.embeddings) : input.embeddings;
    return x + positions_->forward(input.positions + kFirstPosition);
  }

  Tensor leave(const Tensor& x) const override {
    const Tensor states = Decoder::leave(x);
    return out_ != nullptr ? out_->forward(states) : states;
  }

 private:
  std::shared_ptr<Linear> add(const char* name, int64_t in, int64_t out,
                              const at::TensorOptions& options) {
    return trunk_module().register_module(
        name, std::make_shared<Linear>(Place::kOther, in, out, /*with_bias=*/false, options));
  }

  std::shared_ptr<Embedding> positions_;
  std::shared_ptr<Linear> out_, in_;  // null where embeddings are as wide as the blocks
};

}  // namespace

std::unique_ptr<CausalLM> build_opt(const ModelBlueprint& blueprint) {
  const OptConfig config = read_opt(blueprint);
  DecoderParts parts;
  parts.shape = decoder_shape(blueprint, config.sizes);
  parts.names = {"model.decoder", "embed_tokens", "layers", "final_layer_norm"};
  parts.embedding_width = config.embedding_width;
  for (int64_t i = 0; i < config.sizes.layers; ++i) {
    parts.blocks.push_back(std::make_shared<OptBlock>(config, i, blueprint.options));
  }
  if (config.last_norm) {
    parts.norm = std::make_shared<LayerNorm>(config.sizes.hidden, kEps, blueprint.options);
  }
  return std::make_unique<OptForCausalLM>(config, std::move(parts), blueprint);
}

}  // namespace peft
