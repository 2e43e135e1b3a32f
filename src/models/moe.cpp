// Mixtures of experts in Llama's frame: Mixtral and Qwen3-MoE. Methods ride on the attention;
// routers and experts stay as they are.
#include <ATen/ATen.h>

#include <algorithm>

#include "architectures.h"
#include "peft/models/config_fields.h"
#include "peft/models/decoder.h"
#include "peft/nn/rotary_attention.h"

namespace peft {
namespace {

/// What a family calls the parts of an expert.
struct ExpertNames {
  const char *gate, *up, *down;
};

struct MoeConfig {
  DecoderSizes sizes;
  double eps;
  bool is_qwen, attention_bias, normalised;
  int64_t experts, experts_per_token, expert_width;
  Activation activation;
  std::vector<int64_t> windows;  // by layer; 0: full attention
  std::vector<bool> dense;       // layers with an MLP instead of experts
};

std::vector<bool> dense_layers(const ConfigFields& fields, int64_t layers) {
  const int64_t step = fields.size({"decoder_sparse_step"}, 1);
  const Json listed = fields.has("mlp_only_layers") ? fields.json().at("mlp_only_layers") : Json();
  std::vector<bool> dense;
  for (int64_t i = 0; i < layers; ++i) {
    const bool named = std::find(listed.begin(), listed.end(), Json(i)) != listed.end();
    dense.push_back(named || (i + 1) % step != 0);
  }
  return dense;
}

MoeConfig read_moe(const ModelBlueprint& blueprint) {
  const ConfigFields fields(blueprint.config, blueprint.where);
  MoeConfig config{};
  config.is_qwen = std::string(blueprint.family.model_type) == "qwen3_moe";
  config.sizes = read_sizes(
      fields, {.kv_heads = config.is_qwen ? 4 : 8, .positions = config.is_qwen ? 32768 : 131072});
  config.eps = fields.epsilon("rms_norm_eps", config.is_qwen ? 1e-6 : 1e-5);
  config.attention_bias = config.is_qwen && fields.flag("attention_bias", false);
  config.normalised = !config.is_qwen || fields.flag("norm_topk_prob", false);
  config.experts = fields.size({"num_local_experts", "num_experts"}, config.is_qwen ? 128 : 8);
  config.experts_per_token = fields.size({"num_experts_per_tok"}, config.is_qwen ? 8 : 2);
  check<ModelError>(config.experts_per_token <= config.experts,
                    "{}: num_experts_per_tok: expected at most {}, found {}", blueprint.where,
                    config.experts, config.experts_per_token);
  config.expert_width =
      config.is_qwen ? fields.size({"moe_intermediate_size"}, 768) : config.sizes.mlp;
  config.activation = activation(fields.text("hidden_act", "silu"), blueprint.where);
  const bool slides =
      fields.has("sliding_window") && (!config.is_qwen || fields.flag("use_sliding_window", false));
  config.windows =
      layer_windows(fields, config.sizes.layers, slides ? fields.size({"sliding_window"}, 0) : 0,
                    [&](int64_t) { return slides; });
  config.dense = config.is_qwen ? dense_layers(fields, config.sizes.layers)
                                : std::vector<bool>(static_cast<size_t>(config.sizes.layers));
  return config;
}

/// down(f(gate(x)) * up(x)) for the tokens that are sent here.
class Expert final : public torch::nn::Module {
 public:
  Expert(const MoeConfig& c, const ExpertNames& names, const at::TensorOptions& options)
      : f_(c.activation),
        gate_(add(names.gate, c.sizes.hidden, c.expert_width, options)),
        up_(add(names.up, c.sizes.hidden, c.expert_width, options)),
        down_(add(names.down, c.expert_width, c.sizes.hidden, options)) {}

  Tensor forward(const Tensor& x) const {
    return down_->forward(gated(f_, gate_->forward(x), up_->forward(x)));
  }

 private:
  std::shared_ptr<Linear> add(const char* name, int64_t in, int64_t out,
                              const at::TensorOptions& options) {
    return register_module(
        name, std::make_shared<Linear>(Place::kExpert, in, out, /*with_bias=*/false, options));
  }

  Activation f_;
  std::shared_ptr<Linear> gate_, up_, down_;
};

/// sum over the k likeliest experts e of p_e e(x), p = softmax(gate(x)), of these k made to add up
/// to one where the family does so. Jiang et al. 2024, section 2.1.
class ExpertMlp final : public Mlp {
 public:
  ExpertMlp(const MoeConfig& c, const at::TensorOptions& options)
      : per_token_(c.experts_per_token),
        normalised_(c.normalised),
        gate_(register_module("gate",
                              std::make_shared<Linear>(Place::kExpert, c.sizes.hidden, c.experts,
                                                       /*with_bias=*/false, options))) {
    const ExpertNames names = c.is_qwen ? ExpertNames{"gate_proj", "up_proj", "down_proj"}
                                        : ExpertNames{"w1", "w3", "w2"};
    const auto list = register_module("experts", std::make_shared<torch::nn::Module>());
    for (int64_t i = 0; i < c.experts; ++i) {
      experts_.push_back(
          list->register_module(std::to_string(i), std::make_shared<Expert>(c, names, options)));
    }
  }

  Tensor forward(const Tensor& x) const override {
    const Tensor probabilities = at::softmax(gate_->forward(x).to(at::kFloat), /*dim=*/-1);
    auto [shares, chosen] = probabilities.topk(per_token_, /*dim=*/-1);  // (N, k) each
    if (normalised_) {
      shares = shares / shares.sum(-1, /*keepdim=*/true);
    }
    Tensor sum = at::zeros_like(x);
    for (size_t e = 0; e < experts_.size(); ++e) {
      const std::vector<Tensor> hits = at::where(chosen == static_cast<int64_t>(e));
      const Tensor& rows = hits[0];
      if (rows.size(0) == 0) {
        continue;
      }
      const Tensor share = shares.index({rows, hits[1]}).to(x.scalar_type());
      const Tensor result = experts_[e]->forward(x.index_select(0, rows)) * share.unsqueeze(1);
      sum = sum.index_add(0, rows, result);
    }
    return sum;
  }

 private:
  int64_t per_token_;
  bool normalised_;
  std::shared_ptr<Linear> gate_;
  std::vector<std::shared_ptr<Expert>> experts_;
};

std::shared_ptr<Block> moe_block(const MoeConfig& c, int64_t layer,
                                 const at::TensorOptions& options) {
  const DecoderSizes& s = c.sizes;
  const auto index = static_cast<size_t>(layer);
  const auto norm = [&](int64_t width) { return std::make_shared<RmsNorm>(width, c.eps, options); };
  RotaryAttention::HeadNorms head_norms;
  std::shared_ptr<Mlp> mlp;
  if (c.is_qwen) {
    head_norms = {norm(s.head_dim), norm(s.head_dim)};
  }
  if (c.dense[index]) {
    mlp = std::make_shared<GatedMlp>(MlpShape{s.hidden, s.mlp}, c.activation, options);
  } else {
    mlp = std::make_shared<ExpertMlp>(c, options);
  }
  return std::make_shared<PreNormBlock>(PreNormParts{
      {"input_layernorm", norm(s.hidden)},
      {"self_attn", std::make_shared<RotaryAttention>(
                        s.hidden, AttentionShape{layer, s.heads, s.kv_heads, s.head_dim},
                        AttentionOptions{.window = c.windows[index]},
                        AttentionBiases{c.attention_bias, c.attention_bias}, head_norms, options)},
      {"post_attention_layernorm", norm(s.hidden)},
      {c.is_qwen ? "mlp" : "block_sparse_moe", mlp}});
}

}  // namespace

std::unique_ptr<CausalLM> build_moe(const ModelBlueprint& blueprint) {
  const MoeConfig config = read_moe(blueprint);
  DecoderParts parts;
  parts.shape = decoder_shape(blueprint, config.sizes);
  for (int64_t i = 0; i < config.sizes.layers; ++i) {
    parts.blocks.push_back(moe_block(config, i, blueprint.options));
  }
  parts.norm = std::make_shared<RmsNorm>(config.sizes.hidden, config.eps, blueprint.options);
  Json rope = {{"rope_theta", config.is_qwen ? 1e4 : 1e6}};
  rope.update(rope_settings(blueprint.config));
  check_whole_heads(rope, blueprint.where);
  parts.ropes.emplace_back(rope, config.sizes.head_dim, config.sizes.positions, blueprint.where);
  return std::make_unique<Decoder>(std::move(parts), blueprint);
}

}  // namespace peft
