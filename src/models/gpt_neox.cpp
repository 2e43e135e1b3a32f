// GPT-NeoX (Pythia): fused q, k, v grouped by head, partly rotated heads, LayerNorm, biases; by
// default attention and MLP read the same stream.
#include "architectures.h"
#include "peft/kernels/rotary.h"
#include "peft/models/config_fields.h"
#include "peft/models/decoder.h"

namespace peft {
namespace {

struct NeoxConfig {
  DecoderSizes sizes;
  double eps;
  bool attention_bias, parallel;
  Activation activation;
};

NeoxConfig read_neox(const ModelBlueprint& blueprint) {
  const ConfigFields fields(blueprint.config, blueprint.where);
  NeoxConfig config{};
  config.sizes = read_sizes(fields, {.hidden = 6144,
                                     .mlp = 24576,
                                     .layers = 44,
                                     .heads = 64,
                                     .vocabulary = 50432,
                                     .positions = 2048});
  config.eps = fields.epsilon("layer_norm_eps", 1e-5);
  config.attention_bias = fields.flag("attention_bias", true);
  config.parallel = fields.flag("use_parallel_residual", true);
  config.activation = activation(fields.text("hidden_act", "gelu"), blueprint.where);
  return config;
}

/// With transformers 4's own names for the base and the rotated share of a head.
Json neox_rope(const Json& config) {
  Json settings = {{"rope_theta", config.value("rotary_emb_base", 1e4)},
                   {"partial_rotary_factor", config.value("rotary_pct", 0.25)}};
  settings.update(rope_settings(config));
  return settings;
}

class NeoxAttention final : public Attention {
 public:
  NeoxAttention(const NeoxConfig& c, int64_t layer, const at::TensorOptions& options)
      : Attention({layer, c.sizes.heads, c.sizes.heads, c.sizes.head_dim, /*fused=*/true}, {}),
        qkv_(register_module(
            "query_key_value",
            std::make_shared<Linear>(Place::kQueryKeyValue, c.sizes.hidden, 3 * c.sizes.hidden,
                                     c.attention_bias, options))),
        out_(register_module(
            "dense", std::make_shared<Linear>(Place::kAttentionOut, c.sizes.hidden, c.sizes.hidden,
                                              c.attention_bias, options))) {}

  Tensor forward(const Tensor& x, const BlockInput& input) const override {
    const std::vector<Tensor> qkv = split(x);
    const Angles& angles = input.angles.front();
    return attend(rotary(qkv[0], angles.cos, angles.sin), rotary(qkv[1], angles.cos, angles.sin),
                  qkv[2], input);
  }

  std::pair<Tensor, Tensor> project_kv(const Tensor& x) const override {
    const std::vector<Tensor> qkv = split(x);
    return {qkv[1], qkv[2]};
  }

 protected:
  const Linear& out_projection() const override { return *out_; }

 private:
  /// q, k and v of the first head, then of the second, ...: three of (N, H, Dh).
  std::vector<Tensor> split(const Tensor& x) const {
    return split_heads(qkv_->forward(x), shape().heads).chunk(3, /*dim=*/-1);
  }

  std::shared_ptr<Linear> qkv_, out_;
};

std::shared_ptr<Block> neox_block(const NeoxConfig& c, int64_t layer,
                                  const at::TensorOptions& options) {
  const auto norm = [&] { return std::make_shared<LayerNorm>(c.sizes.hidden, c.eps, options); };
  const MlpShape mlp{c.sizes.hidden, c.sizes.mlp, /*with_bias=*/true};
  return std::make_shared<PreNormBlock>(PreNormParts{
      {"input_layernorm", norm()},
      {"attention", std::make_shared<NeoxAttention>(c, layer, options)},
      {"post_attention_layernorm", norm()},
      {"mlp",
       std::make_shared<PlainMlp>("dense_h_to_4h", "dense_4h_to_h", mlp, c.activation, options)},
      c.parallel});
}

}  // namespace

std::unique_ptr<CausalLM> build_gpt_neox(const ModelBlueprint& blueprint) {
  const NeoxConfig config = read_neox(blueprint);
  DecoderParts parts;
  parts.shape = decoder_shape(blueprint, config.sizes);
  parts.names = {"gpt_neox", "embed_in", "layers", "final_layer_norm"};
  for (int64_t i = 0; i < config.sizes.layers; ++i) {
    parts.blocks.push_back(neox_block(config, i, blueprint.options));
  }
  parts.norm = std::make_shared<LayerNorm>(config.sizes.hidden, config.eps, blueprint.options);
  parts.ropes.emplace_back(neox_rope(blueprint.config), config.sizes.head_dim,
                           config.sizes.positions, blueprint.where);
  return std::make_unique<Decoder>(std::move(parts), blueprint);
}

}  // namespace peft
