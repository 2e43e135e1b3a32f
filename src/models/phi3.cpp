// Phi-3 and Phi-4: Llama with fused q, k, v and fused gate and up; partly rotated heads, a sliding
// window and longrope where the config has them.
#include "architectures.h"
#include "peft/kernels/rotary.h"
#include "peft/models/config_fields.h"
#include "peft/models/decoder.h"

namespace peft {
namespace {

struct Phi3Config {
  DecoderSizes sizes;
  double eps;
  Activation activation;
  std::vector<int64_t> windows;  // by layer; 0: full attention
};

Phi3Config read_phi3(const ModelBlueprint& blueprint) {
  const ConfigFields fields(blueprint.config, blueprint.where);
  Phi3Config config{};
  config.sizes = read_sizes(fields, {.hidden = 3072,
                                     .mlp = 8192,
                                     .layers = 32,
                                     .heads = 32,
                                     .vocabulary = 32064,
                                     .positions = 4096});
  config.eps = fields.epsilon("rms_norm_eps", 1e-5);
  config.activation = activation(fields.text("hidden_act", "silu"), blueprint.where);
  const bool slides = fields.has("sliding_window");
  config.windows =
      layer_windows(fields, config.sizes.layers, slides ? fields.size({"sliding_window"}, 0) : 0,
                    [&](int64_t) { return slides; });
  return config;
}

/// "su", and Phi-3's "yarn", are old names of longrope.
Json phi3_rope(const ModelBlueprint& blueprint) {
  Json settings = {{"original_max_position_embeddings", 4096}};
  settings.update(rope_settings(blueprint.config));
  const Json type = settings.value("rope_type", Json("default"));
  check<ModelError>(type == "default" || type == "longrope" || type == "su" || type == "yarn",
                    "{}: rope_type: expected default or longrope for phi3, found {}",
                    blueprint.where, json_excerpt(type));
  settings["rope_type"] = type == "default" ? "default" : "longrope";
  return settings;
}

class Phi3Attention final : public Attention {
 public:
  Phi3Attention(const Phi3Config& c, int64_t layer, const at::TensorOptions& options)
      : Attention({layer, c.sizes.heads, c.sizes.kv_heads, c.sizes.head_dim, /*fused=*/true},
                  {.window = c.windows[static_cast<size_t>(layer)]}) {
    const int64_t query = c.sizes.heads * c.sizes.head_dim;
    const int64_t all = query + 2 * c.sizes.kv_heads * c.sizes.head_dim;
    qkv_ = register_module("qkv_proj",
                           std::make_shared<Linear>(Place::kQueryKeyValue, c.sizes.hidden, all,
                                                    /*with_bias=*/false, options));
    out_ = register_module("o_proj",
                           std::make_shared<Linear>(Place::kAttentionOut, query, c.sizes.hidden,
                                                    /*with_bias=*/false, options));
  }

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
  /// All heads of q, then those of k, then those of v: (N, H, Dh), two of (N, Hkv, Dh).
  std::vector<Tensor> split(const Tensor& x) const {
    const AttentionShape& s = shape();
    return split_heads(qkv_->forward(x), s.heads + 2 * s.kv_heads)
        .split_with_sizes({s.heads, s.kv_heads, s.kv_heads}, /*dim=*/1);
  }

  std::shared_ptr<Linear> qkv_, out_;
};

/// down(f(g) * u), where one projection gives g and u side by side.
class Phi3Mlp final : public Mlp {
 public:
  Phi3Mlp(const Phi3Config& c, const at::TensorOptions& options)
      : f_(c.activation),
        gate_up_(register_module(
            "gate_up_proj",
            std::make_shared<Linear>(Place::kMlpGateUp, c.sizes.hidden, 2 * c.sizes.mlp,
                                     /*with_bias=*/false, options))),
        down_(register_module("down_proj",
                              std::make_shared<Linear>(Place::kMlpDown, c.sizes.mlp, c.sizes.hidden,
                                                       /*with_bias=*/false, options))) {}

  Tensor forward(const Tensor& x) const override {
    const std::vector<Tensor> parts = gate_up_->forward(x).chunk(2, /*dim=*/-1);
    return down_->forward(gated(f_, parts[0], parts[1]));
  }

 private:
  Activation f_;
  std::shared_ptr<Linear> gate_up_, down_;
};

std::shared_ptr<Block> phi3_block(const Phi3Config& c, int64_t layer,
                                  const at::TensorOptions& options) {
  const auto norm = [&] { return std::make_shared<RmsNorm>(c.sizes.hidden, c.eps, options); };
  return std::make_shared<PreNormBlock>(
      PreNormParts{{"input_layernorm", norm()},
                   {"self_attn", std::make_shared<Phi3Attention>(c, layer, options)},
                   {"post_attention_layernorm", norm()},
                   {"mlp", std::make_shared<Phi3Mlp>(c, options)}});
}

}  // namespace

std::unique_ptr<CausalLM> build_phi3(const ModelBlueprint& blueprint) {
  const Phi3Config config = read_phi3(blueprint);
  DecoderParts parts;
  parts.shape = decoder_shape(blueprint, config.sizes);
  for (int64_t i = 0; i < config.sizes.layers; ++i) {
    parts.blocks.push_back(phi3_block(config, i, blueprint.options));
  }
  parts.norm = std::make_shared<RmsNorm>(config.sizes.hidden, config.eps, blueprint.options);
  parts.ropes.emplace_back(phi3_rope(blueprint), config.sizes.head_dim, config.sizes.positions,
                           blueprint.where);
  return std::make_unique<Decoder>(std::move(parts), blueprint);
}

}  // namespace peft
