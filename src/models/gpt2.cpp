// GPT-2: fused q, k, v as Conv1D (weights (in, out)), learned positions, LayerNorm, biases.
#include <ATen/ATen.h>

#include "architectures.h"
#include "peft/models/config_fields.h"
#include "peft/models/decoder.h"

namespace peft {
namespace {

struct Gpt2Config {
  int64_t hidden, mlp, layers, heads, vocabulary, positions;
  double eps;
  bool scale_scores, scale_by_layer;
  Activation activation;
};

Gpt2Config read_gpt2(const ModelBlueprint& blueprint) {
  const ConfigFields fields(blueprint.config, blueprint.where);
  Gpt2Config config{};
  config.hidden = fields.size({"n_embd", "hidden_size"}, 768);
  config.layers = fields.size({"n_layer", "num_hidden_layers"}, 12);
  config.heads = fields.size({"n_head", "num_attention_heads"}, 12);
  config.mlp = fields.size({"n_inner"}, 4 * config.hidden);
  config.vocabulary = fields.size({"vocab_size"}, 50257);
  config.positions = fields.size({"n_positions", "n_ctx", "max_position_embeddings"}, 1024);
  config.eps = fields.epsilon("layer_norm_epsilon", 1e-5);
  config.scale_scores = fields.flag("scale_attn_weights", true);
  config.scale_by_layer = fields.flag("scale_attn_by_inverse_layer_idx", false);
  config.activation = activation(fields.text("activation_function", "gelu_new"), blueprint.where);
  check<ModelError>(config.hidden % config.heads == 0, "{}: n_head: {} does not divide n_embd {}",
                    blueprint.where, config.heads, config.hidden);
  check<ModelError>(!fields.flag("add_cross_attention", false),
                    "{}: add_cross_attention: expected false, found true", blueprint.where);
  return config;
}

double score_scale(const Gpt2Config& c, int64_t layer) {
  const double head_dim = static_cast<double>(c.hidden / c.heads);
  return (c.scale_scores ? 1.0 / std::sqrt(head_dim) : 1.0) /
         (c.scale_by_layer ? static_cast<double>(layer + 1) : 1.0);
}

class Gpt2Attention final : public Attention {
 public:
  Gpt2Attention(const Gpt2Config& c, int64_t layer, const at::TensorOptions& options)
      : Attention({layer, c.heads, c.heads, c.hidden / c.heads, /*fused=*/true},
                  {.scale = score_scale(c, layer)}),
        qkv_(add("c_attn", Place::kQueryKeyValue, c.hidden, 3 * c.hidden, options)),
        out_(add("c_proj", Place::kAttentionOut, c.hidden, c.hidden, options)) {}

  Tensor forward(const Tensor& x, const BlockInput& input) const override {
    const std::vector<Tensor> qkv = qkv_->forward(x).chunk(3, /*dim=*/-1);
    return attend(heads(qkv[0]), heads(qkv[1]), heads(qkv[2]), input);
  }

  std::pair<Tensor, Tensor> project_kv(const Tensor& x) const override {
    const std::vector<Tensor> qkv = qkv_->forward(x).chunk(3, /*dim=*/-1);
    return {heads(qkv[1]), heads(qkv[2])};
  }

 protected:
  const Linear& out_projection() const override { return *out_; }

 private:
  std::shared_ptr<Linear> add(const char* name, Place place, int64_t in, int64_t out,
                              const at::TensorOptions& options) {
    return register_module(name, std::make_shared<Linear>(place, in, out, /*with_bias=*/true,
                                                          options, WeightLayout::kInOut));
  }
  Tensor heads(const Tensor& part) const {
    return part.unflatten(-1, {shape().heads, shape().head_dim});
  }

  std::shared_ptr<Linear> qkv_, out_;
};

std::shared_ptr<Block> gpt2_block(const Gpt2Config& c, int64_t layer,
                                  const at::TensorOptions& options) {
  const auto norm = [&] { return std::make_shared<LayerNorm>(c.hidden, c.eps, options); };
  const MlpShape mlp{c.hidden, c.mlp, /*with_bias=*/true};
  return std::make_shared<PreNormBlock>(
      PreNormParts{{"ln_1", norm()},
                   {"attn", std::make_shared<Gpt2Attention>(c, layer, options)},
                   {"ln_2", norm()},
                   {"mlp", std::make_shared<PlainMlp>("c_fc", "c_proj", mlp, c.activation, options,
                                                      WeightLayout::kInOut)}});
}

/// Learned positions are added to the tokens.
class Gpt2LMHeadModel final : public Decoder {
 public:
  Gpt2LMHeadModel(DecoderParts parts, const ModelBlueprint& blueprint)
      : Decoder(std::move(parts), blueprint),
        positions_(trunk_module().register_module(
            "wpe", std::make_shared<Embedding>(shape().max_positions, shape().hidden,
                                               blueprint.options))) {}

 protected:
  Tensor enter(const ModelInput& input) const override {
    return input.embeddings + positions_->forward(input.positions);
  }

 private:
  std::shared_ptr<Embedding> positions_;
};

}  // namespace

std::unique_ptr<CausalLM> build_gpt2(const ModelBlueprint& blueprint) {
  const Gpt2Config config = read_gpt2(blueprint);
  DecoderParts parts;
  parts.shape = decoder_shape(blueprint, {.hidden = config.hidden,
                                          .layers = config.layers,
                                          .vocabulary = config.vocabulary,
                                          .positions = config.positions});
  parts.names = {"transformer", "wte", "h", "ln_f"};
  for (int64_t i = 0; i < config.layers; ++i) {
    parts.blocks.push_back(gpt2_block(config, i, blueprint.options));
  }
  parts.norm = std::make_shared<LayerNorm>(config.hidden, config.eps, blueprint.options);
  return std::make_unique<Gpt2LMHeadModel>(std::move(parts), blueprint);
}

}  // namespace peft
