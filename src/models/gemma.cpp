// The Gemma family: scaled embeddings, norms around one, tanh GELU. Gemma 2 adds norms behind the
// branches, capped scores and logits and windows in every other layer; Gemma 3 has norms on the
// heads instead of caps, and another rope in the layers with a window.
#include <ATen/ATen.h>

#include "architectures.h"
#include "peft/models/config_fields.h"
#include "peft/models/decoder.h"
#include "peft/nn/rotary_attention.h"

namespace peft {
namespace {

enum class Generation { kOne, kTwo, kThree };

struct GemmaConfig {
  DecoderSizes sizes;
  Generation generation;
  double eps, score_scale, score_softcap, logit_softcap;
  bool attention_bias;
  Activation activation;
  std::vector<int64_t> windows;  // by layer; 0: full attention
};

Generation generation_of(const std::string& type) {
  return type == "gemma"    ? Generation::kOne
         : type == "gemma2" ? Generation::kTwo
                            : Generation::kThree;
}

DecoderSizes absent_gemma_sizes(Generation generation) {
  if (generation == Generation::kOne) {
    return {.hidden = 3072,
            .mlp = 24576,
            .layers = 28,
            .heads = 16,
            .kv_heads = 16,
            .head_dim = 256,
            .vocabulary = 256000,
            .positions = 8192};
  }
  const bool third = generation == Generation::kThree;
  return {.hidden = 2304,
          .mlp = 9216,
          .layers = 26,
          .heads = 8,
          .kv_heads = 4,
          .head_dim = 256,
          .vocabulary = third ? 262208 : 256000,
          .positions = third ? 131072 : 8192};
}

/// A cap that null switches off.
double softcap(const ConfigFields& fields, const char* key, double absent) {
  return fields.number(key, fields.json().contains(key) ? 0.0 : absent);
}

/// Every second layer of Gemma 2 and every sixth of Gemma 3 sees everything.
std::vector<int64_t> gemma_windows(const ConfigFields& fields, const GemmaConfig& c) {
  if (c.generation == Generation::kOne) {
    return std::vector<int64_t>(static_cast<size_t>(c.sizes.layers), 0);
  }
  const int64_t period =
      c.generation == Generation::kTwo ? 2 : fields.size({"sliding_window_pattern"}, 6);
  return layer_windows(fields, c.sizes.layers, fields.size({"sliding_window"}, 4096),
                       [&](int64_t layer) { return (layer + 1) % period != 0; });
}

GemmaConfig read_gemma(const ModelBlueprint& blueprint) {
  const ConfigFields fields(blueprint.config, blueprint.where);
  GemmaConfig config{};
  config.generation = generation_of(blueprint.family.model_type);
  config.sizes = read_sizes(fields, absent_gemma_sizes(config.generation));
  config.eps = fields.epsilon("rms_norm_eps", 1e-6);
  const bool second = config.generation == Generation::kTwo;
  if (config.generation != Generation::kOne) {
    config.score_scale = 1.0 / std::sqrt(fields.number("query_pre_attn_scalar", 256.0));
    config.score_softcap = softcap(fields, "attn_logit_softcapping", second ? 50.0 : 0.0);
    config.logit_softcap = softcap(fields, "final_logit_softcapping", second ? 30.0 : 0.0);
  }
  config.attention_bias = fields.flag("attention_bias", false);
  // Gemma 1's files say "gelu" and mean this all the same.
  const std::string f = fields.text("hidden_activation", "gelu_pytorch_tanh");
  config.activation = activation(f, blueprint.where);
  config.windows = gemma_windows(fields, config);
  check<ModelError>(!fields.flag("use_bidirectional_attention", false),
                    "{}: use_bidirectional_attention: expected false, found true", blueprint.where);
  return config;
}

/// The rope of layers with a window, or of the others.
Json gemma3_rope(const Json& config, bool sliding) {
  const char* const kind = sliding ? "sliding_attention" : "full_attention";
  Json settings = {{"rope_theta", sliding ? 1e4 : 1e6}};
  if (config.contains("rope_parameters") && config.at("rope_parameters").contains(kind)) {
    settings.update(rope_settings({{"rope_parameters", config.at("rope_parameters").at(kind)}}));
  } else if (sliding) {
    settings["rope_theta"] = config.value("rope_local_base_freq", 1e4);
  } else {
    settings.update(rope_settings(config));
  }
  return settings;
}

std::vector<Rope> gemma_ropes(const GemmaConfig& c, const ModelBlueprint& blueprint) {
  const auto rope = [&](const Json& settings) {
    check_whole_heads(settings, blueprint.where);
    return Rope(settings, c.sizes.head_dim, c.sizes.positions, blueprint.where);
  };
  if (c.generation != Generation::kThree) {
    return {rope(rope_settings(blueprint.config))};
  }
  return {rope(gemma3_rope(blueprint.config, /*sliding=*/false)),
          rope(gemma3_rope(blueprint.config, /*sliding=*/true))};
}

std::shared_ptr<RmsNorm> gemma_norm(const GemmaConfig& c, int64_t width,
                                    const at::TensorOptions& options) {
  return std::make_shared<RmsNorm>(width, c.eps, options, /*around_one=*/true);
}

std::shared_ptr<Attention> gemma_attention(const GemmaConfig& c, int64_t layer,
                                           const at::TensorOptions& options) {
  const DecoderSizes& s = c.sizes;
  const int64_t window = c.windows[static_cast<size_t>(layer)];
  RotaryAttention::HeadNorms norms;
  if (c.generation == Generation::kThree) {
    norms = {gemma_norm(c, s.head_dim, options), gemma_norm(c, s.head_dim, options)};
  }
  return std::make_shared<RotaryAttention>(
      s.hidden, AttentionShape{layer, s.heads, s.kv_heads, s.head_dim},
      AttentionOptions{.window = window, .scale = c.score_scale, .softcap = c.score_softcap},
      AttentionBiases{c.attention_bias, c.attention_bias}, norms, options,
      /*rope=*/c.generation == Generation::kThree && window > 0 ? 1 : 0);
}

/// h = x + norm(attention(norm(x))), h + norm(mlp(norm(h))).
class SandwichBlock final : public Block {
 public:
  SandwichBlock(const GemmaConfig& c, int64_t layer, const std::shared_ptr<Mlp>& mlp,
                const at::TensorOptions& options)
      : before_attention_(add("input_layernorm", c, options)),
        attention_(register_module("self_attn", gemma_attention(c, layer, options))),
        behind_attention_(add("post_attention_layernorm", c, options)),
        before_mlp_(add("pre_feedforward_layernorm", c, options)),
        mlp_(register_module("mlp", mlp)),
        behind_mlp_(add("post_feedforward_layernorm", c, options)) {}

  Tensor forward(const Tensor& x, const BlockInput& input) const override {
    const Tensor context = attention_->forward(before_attention_->forward(x), input);
    const Tensor h = attention_residual.add(x, behind_attention_->forward(context));
    return mlp_residual.add(h, behind_mlp_->forward(mlp_->forward(before_mlp_->forward(h))));
  }

 private:
  std::shared_ptr<RmsNorm> add(const char* name, const GemmaConfig& c,
                               const at::TensorOptions& options) {
    return register_module(name, gemma_norm(c, c.sizes.hidden, options));
  }

  std::shared_ptr<RmsNorm> before_attention_;
  std::shared_ptr<Attention> attention_;
  std::shared_ptr<RmsNorm> behind_attention_, before_mlp_;
  std::shared_ptr<Mlp> mlp_;
  std::shared_ptr<RmsNorm> behind_mlp_;
};

std::shared_ptr<Block> gemma_block(const GemmaConfig& c, int64_t layer,
                                   const at::TensorOptions& options) {
  const auto mlp =
      std::make_shared<GatedMlp>(MlpShape{c.sizes.hidden, c.sizes.mlp}, c.activation, options);
  if (c.generation != Generation::kOne) {
    return std::make_shared<SandwichBlock>(c, layer, mlp, options);
  }
  return std::make_shared<PreNormBlock>(
      PreNormParts{{"input_layernorm", gemma_norm(c, c.sizes.hidden, options)},
                   {"self_attn", gemma_attention(c, layer, options)},
                   {"post_attention_layernorm", gemma_norm(c, c.sizes.hidden, options)},
                   {"mlp", mlp}});
}

/// Tokens enter times sqrt(D), rounded to the embedding's type as Hugging Face does. Virtual tokens
/// are not scaled.
class GemmaForCausalLM final : public Decoder {
 public:
  GemmaForCausalLM(DecoderParts parts, const ModelBlueprint& blueprint)
      : Decoder(std::move(parts), blueprint),
        scale_(at::scalar_tensor(std::sqrt(static_cast<double>(shape().hidden)),
                                 at::TensorOptions(token_embedding().weight().scalar_type()))
                   .item<double>()) {}

  Tensor embed(const Tensor& ids) const override { return Decoder::embed(ids) * scale_; }

 private:
  double scale_;
};

}  // namespace

std::unique_ptr<CausalLM> build_gemma(const ModelBlueprint& blueprint) {
  const GemmaConfig config = read_gemma(blueprint);
  DecoderParts parts;
  parts.shape = decoder_shape(blueprint, config.sizes);
  parts.shape.logit_softcap = !blueprint.labels.empty() ? 0 : config.logit_softcap;
  for (int64_t i = 0; i < config.sizes.layers; ++i) {
    parts.blocks.push_back(gemma_block(config, i, blueprint.options));
  }
  parts.norm = gemma_norm(config, config.sizes.hidden, blueprint.options);
  parts.ropes = gemma_ropes(config, blueprint);
  return std::make_unique<GemmaForCausalLM>(std::move(parts), blueprint);
}

}  // namespace peft
