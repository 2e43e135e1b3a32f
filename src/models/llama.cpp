// The Llama family: Llama 2 and 3, SmolLM2, Mistral (sliding window), Qwen2 (biases on q, k, v) and
// Qwen3 (norms on the heads of q and k). One block; the config says which parts it has.
#include <algorithm>

#include "architectures.h"
#include "peft/models/config_fields.h"
#include "peft/models/decoder.h"
#include "peft/nn/rotary_attention.h"

namespace peft {
namespace {

struct LlamaConfig {
  DecoderSizes sizes;
  double eps;
  bool mlp_bias, head_norms;
  AttentionBiases biases;
  Activation activation;
  std::vector<int64_t> windows;  // by layer; 0: full attention
};

/// Sizes of config keys that are not there.
DecoderSizes absent_llama_sizes(const std::string& type) {
  DecoderSizes sizes;
  sizes.kv_heads = type == "llama" ? 0 : type == "mistral" ? 8 : 32;
  sizes.head_dim = type == "qwen3" ? 128 : 0;
  sizes.positions = type == "llama" ? 2048 : 32768;
  return sizes;
}

/// Which layers see a sliding window when `layer_types` does not say.
std::vector<int64_t> llama_windows(const ConfigFields& fields, const std::string& type,
                                   int64_t layers) {
  const bool absent = !fields.json().contains("sliding_window");
  const bool has_window = fields.has("sliding_window") || (type == "mistral" && absent);
  if (type == "llama" || !has_window) {
    std::vector<int64_t> none = layer_windows(fields, layers, 1, [](int64_t) { return false; });
    check<ModelError>(std::find(none.begin(), none.end(), 1) == none.end(),
                      "{}: layer_types: sliding_attention needs a sliding_window, which this {} "
                      "model has not",
                      fields.where(), type);
    return none;
  }
  const bool on = type == "mistral" || fields.flag("use_sliding_window", false);
  const int64_t full = type == "mistral" ? 0 : fields.size({"max_window_layers"}, 28);
  return layer_windows(fields, layers, fields.size({"sliding_window"}, 4096),
                       [&](int64_t layer) { return on && layer >= full; });
}

LlamaConfig read_llama(const ModelBlueprint& blueprint, const std::string& type) {
  const ConfigFields fields(blueprint.config, blueprint.where);
  LlamaConfig config{};
  config.sizes = read_sizes(fields, absent_llama_sizes(type));
  config.eps = fields.epsilon("rms_norm_eps", 1e-6);
  const bool bias = type != "mistral" && type != "qwen2" && fields.flag("attention_bias", false);
  config.biases = {.qkv = bias || type == "qwen2", .out = bias};
  config.mlp_bias = type == "llama" && fields.flag("mlp_bias", false);
  config.head_norms = type == "qwen3";
  config.windows = llama_windows(fields, type, config.sizes.layers);
  config.activation = activation(fields.text("hidden_act", "silu"), blueprint.where);
  return config;
}

std::shared_ptr<Block> llama_block(const LlamaConfig& c, int64_t layer,
                                   const at::TensorOptions& options) {
  const DecoderSizes& s = c.sizes;
  const auto norm = [&](int64_t width) { return std::make_shared<RmsNorm>(width, c.eps, options); };
  RotaryAttention::HeadNorms head_norms;
  if (c.head_norms) {
    head_norms = {norm(s.head_dim), norm(s.head_dim)};
  }
  const AttentionShape shape{layer, s.heads, s.kv_heads, s.head_dim};
  const MlpShape mlp{s.hidden, s.mlp, c.mlp_bias};
  return std::make_shared<PreNormBlock>(PreNormParts{
      {"input_layernorm", norm(s.hidden)},
      {"self_attn", std::make_shared<RotaryAttention>(s.hidden, shape,
                                                      AttentionOptions{.window = c.windows[layer]},
                                                      c.biases, head_norms, options)},
      {"post_attention_layernorm", norm(s.hidden)},
      {"mlp", std::make_shared<GatedMlp>(mlp, c.activation, options)}});
}

}  // namespace

std::unique_ptr<CausalLM> build_llama(const ModelBlueprint& blueprint) {
  const LlamaConfig config = read_llama(blueprint, blueprint.family.model_type);
  const Json rope = rope_settings(blueprint.config);
  check_whole_heads(rope, blueprint.where);
  DecoderParts parts;
  parts.shape = decoder_shape(blueprint, config.sizes);
  for (int64_t i = 0; i < config.sizes.layers; ++i) {
    parts.blocks.push_back(llama_block(config, i, blueprint.options));
  }
  parts.norm = std::make_shared<RmsNorm>(config.sizes.hidden, config.eps, blueprint.options);
  parts.ropes.emplace_back(rope, config.sizes.head_dim, config.sizes.positions, blueprint.where);
  return std::make_unique<Decoder>(std::move(parts), blueprint);
}

}  // namespace peft
