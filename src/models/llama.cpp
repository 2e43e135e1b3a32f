// The Llama family: Llama 2 and 3, SmolLM2, Mistral (sliding window), Qwen2 (biases on q, k, v) and
// Qwen3 (norms on the heads of q and k). One block; the config says which parts it has.
#include <ATen/ATen.h>

#include "architectures.h"
#include "peft/kernels/rotary.h"
#include "peft/kernels/swiglu.h"
#include "peft/models/config_fields.h"
#include "peft/models/rope.h"
#include "peft/nn/norm.h"

namespace peft {
namespace {

struct LlamaConfig {
  int64_t hidden, mlp, layers, heads, kv_heads, head_dim, vocabulary, positions;
  double eps;
  bool qkv_bias, out_bias, mlp_bias, head_norms;
  std::vector<int64_t> windows;  // by layer; 0: full attention
};

/// Which layers see a sliding window: `layer_types` where written, else the family's own rule.
std::vector<int64_t> layer_windows(const ConfigFields& fields, const std::string& type,
                                   int64_t layers) {
  std::vector<int64_t> windows(layers, 0);
  const bool has_window = fields.has("sliding_window");
  const bool absent = !fields.json().contains("sliding_window");
  if (type == "llama" || (!has_window && !(type == "mistral" && absent))) {
    return windows;
  }
  const int64_t window = fields.size({"sliding_window"}, 4096);
  if (fields.has("layer_types")) {
    const Json& types = fields.json().at("layer_types");
    check<ModelError>(types.is_array() && static_cast<int64_t>(types.size()) == layers,
                      "{}: layer_types: expected a list of {} names", fields.where(), layers);
    for (int64_t i = 0; i < layers; ++i) {
      windows[i] = types.at(i) == "sliding_attention" ? window : 0;
    }
    return windows;
  }
  if (type == "mistral") {
    windows.assign(layers, window);
  } else if (fields.flag("use_sliding_window", false)) {
    const int64_t full = fields.size({"max_window_layers"}, 28);
    for (int64_t i = std::min(full, layers); i < layers; ++i) {
      windows[i] = window;
    }
  }
  return windows;
}

LlamaConfig read_config(const ModelBlueprint& blueprint, const std::string& type) {
  const ConfigFields fields(blueprint.config, blueprint.where);
  LlamaConfig config{};
  config.hidden = fields.size({"hidden_size"}, 0);
  config.mlp = fields.size({"intermediate_size"}, 0);
  config.layers = fields.size({"num_hidden_layers"}, 0);
  config.heads = fields.size({"num_attention_heads"}, 0);
  const bool silent = !fields.json().contains("num_key_value_heads");
  const int64_t class_default = type == "mistral" ? 8 : 32;
  config.kv_heads = fields.size({"num_key_value_heads"},
                                silent && type != "llama" ? class_default : config.heads);
  const bool wide = type == "qwen3" && !fields.json().contains("head_dim");
  check<ModelError>(wide || fields.has("head_dim") || config.hidden % config.heads == 0,
                    "{}: num_attention_heads: {} does not divide hidden_size {}", blueprint.where,
                    config.heads, config.hidden);
  config.head_dim = fields.size({"head_dim"}, wide ? 128 : config.hidden / config.heads);
  check<ModelError>(config.heads % config.kv_heads == 0,
                    "{}: num_key_value_heads: {} does not divide num_attention_heads {}",
                    blueprint.where, config.kv_heads, config.heads);
  config.vocabulary = fields.size({"vocab_size"}, 0);
  config.positions = fields.size({"max_position_embeddings"}, type == "llama" ? 2048 : 32768);
  config.eps = fields.epsilon("rms_norm_eps", 1e-6);
  const bool bias = type != "mistral" && type != "qwen2" && fields.flag("attention_bias", false);
  config.qkv_bias = bias || type == "qwen2";
  config.out_bias = bias;
  config.mlp_bias = type == "llama" && fields.flag("mlp_bias", false);
  config.head_norms = type == "qwen3";
  config.windows = layer_windows(fields, type, config.layers);
  const std::string act = fields.text("hidden_act", "silu");
  check<ModelError>(act == "silu" || act == "swish",
                    "{}: hidden_act: expected \"silu\", found \"{}\"", blueprint.where, act);
  return config;
}

/// cos and sin of a batch, computed once and used by every layer.
struct Angles {
  Tensor cos, sin;  // (N, R/2)
};

class LlamaAttention final : public Attention {
 public:
  LlamaAttention(const LlamaConfig& c, int64_t layer, const at::TensorOptions& options)
      : Attention({layer, c.heads, c.kv_heads, c.head_dim}, {.window = c.windows[layer]}),
        q_(add("q_proj", c.hidden, c.heads * c.head_dim, c.qkv_bias, options)),
        k_(add("k_proj", c.hidden, c.kv_heads * c.head_dim, c.qkv_bias, options)),
        v_(add("v_proj", c.hidden, c.kv_heads * c.head_dim, c.qkv_bias, options)),
        o_(add("o_proj", c.heads * c.head_dim, c.hidden, c.out_bias, options)) {
    if (c.head_norms) {
      q_norm_ = register_module("q_norm", std::make_shared<RmsNorm>(c.head_dim, c.eps, options));
      k_norm_ = register_module("k_norm", std::make_shared<RmsNorm>(c.head_dim, c.eps, options));
    }
  }

  Tensor forward(const Tensor& x, const Angles& angles, const Segments& segments,
                 KvCache* cache) const {
    Tensor q = split_heads(q_->forward(x), shape().heads);
    Tensor k = split_heads(k_->forward(x), shape().kv_heads);
    const Tensor v = split_heads(v_->forward(x), shape().kv_heads);
    if (q_norm_ != nullptr) {
      q = q_norm_->forward(q);
      k = k_norm_->forward(k);
    }
    q = rotary(q, angles.cos, angles.sin);
    k = rotary(k, angles.cos, angles.sin);
    return attend(q, k, v, segments, cache);
  }

  std::pair<Tensor, Tensor> project_kv(const Tensor& x) const override {
    Tensor k = split_heads(k_->forward(x), shape().kv_heads);
    if (k_norm_ != nullptr) {
      k = k_norm_->forward(k);
    }
    return {k, split_heads(v_->forward(x), shape().kv_heads)};
  }

  void list(const std::string& path, std::vector<NamedLinear>& out) const {
    out.push_back({path + ".q_proj", Role::kQuery, q_.get()});
    out.push_back({path + ".k_proj", Role::kKey, k_.get()});
    out.push_back({path + ".v_proj", Role::kValue, v_.get()});
    out.push_back({path + ".o_proj", Role::kAttentionOut, o_.get()});
  }

 protected:
  const Linear& out_projection() const override { return *o_; }

 private:
  std::shared_ptr<Linear> add(const char* name, int64_t in, int64_t out, bool bias,
                              const at::TensorOptions& options) {
    return register_module(name, std::make_shared<Linear>(in, out, bias, options));
  }

  std::shared_ptr<Linear> q_, k_, v_, o_;
  std::shared_ptr<RmsNorm> q_norm_, k_norm_;
};

class LlamaMlp final : public torch::nn::Module {
 public:
  LlamaMlp(const LlamaConfig& c, const at::TensorOptions& options)
      : gate_(register_module("gate_proj",
                              std::make_shared<Linear>(c.hidden, c.mlp, c.mlp_bias, options))),
        up_(register_module("up_proj",
                            std::make_shared<Linear>(c.hidden, c.mlp, c.mlp_bias, options))),
        down_(register_module("down_proj",
                              std::make_shared<Linear>(c.mlp, c.hidden, c.mlp_bias, options))) {}

  Tensor forward(const Tensor& x) const {
    return down_->forward(swiglu(gate_->forward(x), up_->forward(x)));
  }

  void list(const std::string& path, std::vector<NamedLinear>& out) const {
    out.push_back({path + ".gate_proj", Role::kMlpGate, gate_.get()});
    out.push_back({path + ".up_proj", Role::kMlpUp, up_.get()});
    out.push_back({path + ".down_proj", Role::kMlpDown, down_.get()});
  }

 private:
  std::shared_ptr<Linear> gate_, up_, down_;
};

class LlamaBlock final : public torch::nn::Module {
 public:
  LlamaBlock(const LlamaConfig& c, int64_t layer, const at::TensorOptions& options)
      : attention_norm_(register_module("input_layernorm",
                                        std::make_shared<RmsNorm>(c.hidden, c.eps, options))),
        attention_(
            register_module("self_attn", std::make_shared<LlamaAttention>(c, layer, options))),
        mlp_norm_(register_module("post_attention_layernorm",
                                  std::make_shared<RmsNorm>(c.hidden, c.eps, options))),
        mlp_(register_module("mlp", std::make_shared<LlamaMlp>(c, options))) {}

  Tensor forward(const Tensor& x, const Angles& angles, const Segments& segments,
                 KvCache* cache) const {
    const Tensor h = attention_residual_.add(
        x, attention_->forward(attention_norm_->forward(x), angles, segments, cache));
    return mlp_residual_.add(h, mlp_->forward(mlp_norm_->forward(h)));
  }

  LlamaAttention& attention() const { return *attention_; }

  void list(const std::string& path, std::vector<NamedResidual>& out) {
    out.push_back({path, /*is_mlp=*/false, &attention_residual_});
    out.push_back({path, /*is_mlp=*/true, &mlp_residual_});
  }

  void list(const std::string& path, std::vector<NamedLinear>& out) const {
    attention_->list(path + ".self_attn", out);
    mlp_->list(path + ".mlp", out);
  }

 private:
  std::shared_ptr<RmsNorm> attention_norm_;
  std::shared_ptr<LlamaAttention> attention_;
  std::shared_ptr<RmsNorm> mlp_norm_;
  std::shared_ptr<LlamaMlp> mlp_;
  Residual attention_residual_, mlp_residual_;
};

/// The checkpoint's "model." part: embedding, blocks, last norm.
class LlamaTrunk final : public torch::nn::Module {
 public:
  LlamaTrunk(const LlamaConfig& c, const at::TensorOptions& options)
      : embedding_(register_module("embed_tokens",
                                   std::make_shared<Embedding>(c.vocabulary, c.hidden, options))) {
    const auto layers = register_module("layers", std::make_shared<torch::nn::Module>());
    for (int64_t i = 0; i < c.layers; ++i) {
      blocks_.push_back(
          layers->register_module(std::to_string(i), std::make_shared<LlamaBlock>(c, i, options)));
    }
    norm_ = register_module("norm", std::make_shared<RmsNorm>(c.hidden, c.eps, options));
  }

  const RmsNorm& norm() const { return *norm_; }
  Embedding& embedding() const { return *embedding_; }
  const std::vector<std::shared_ptr<LlamaBlock>>& blocks() const { return blocks_; }

 private:
  std::shared_ptr<Embedding> embedding_;
  std::vector<std::shared_ptr<LlamaBlock>> blocks_;
  std::shared_ptr<RmsNorm> norm_;
};

class LlamaForCausalLM final : public CausalLM {
 public:
  LlamaForCausalLM(const LlamaConfig& c, ModelShape shape, Rope rope,
                   const ModelBlueprint& blueprint)
      : CausalLM(std::move(shape)),
        rope_(std::move(rope)),
        trunk_(register_module("model", std::make_shared<LlamaTrunk>(c, blueprint.options))),
        head_(register_module("lm_head",
                              std::make_shared<Linear>(c.hidden, c.vocabulary,
                                                       /*with_bias=*/false, blueprint.options))) {
    if (blueprint.tied) {
      head_->tie(trunk_->embedding().weight());
    }
  }

  std::vector<NamedLinear> projections() const override {
    std::vector<NamedLinear> all;
    for (size_t i = 0; i < trunk_->blocks().size(); ++i) {
      trunk_->blocks()[i]->list(fmt::format("model.layers.{}", i), all);
    }
    return all;
  }
  std::vector<NamedResidual> residuals() const override {
    std::vector<NamedResidual> all;
    for (size_t i = 0; i < trunk_->blocks().size(); ++i) {
      trunk_->blocks()[i]->list(fmt::format("model.layers.{}", i), all);
    }
    return all;
  }
  std::vector<Attention*> attentions() const override {
    std::vector<Attention*> all;
    for (const auto& block : trunk_->blocks()) {
      all.push_back(&block->attention());
    }
    return all;
  }
  Linear& head() const override { return *head_; }
  Embedding& token_embedding() const override { return trunk_->embedding(); }

 protected:
  Tensor trunk(const ModelInput& input, KvCache* cache) const override {
    const auto [cos, sin] = rope_.tables(input.positions, longest_context(input.segments, cache));
    const Angles angles{cos, sin};
    const auto segments = std::make_shared<const Segments>(input.segments);
    Tensor x = input.embeddings;
    for (const auto& block : trunk_->blocks()) {
      x = run_block([=](const Tensor& h) { return block->forward(h, angles, *segments, cache); },
                    x);
    }
    return trunk_->norm().forward(x);
  }

 private:
  Rope rope_;
  std::shared_ptr<LlamaTrunk> trunk_;
  std::shared_ptr<Linear> head_;
};

}  // namespace

std::unique_ptr<CausalLM> build_llama(const ModelBlueprint& blueprint) {
  const Architecture& architecture =
      find_architecture(blueprint.config.at("model_type").get<std::string>(), blueprint.where);
  const LlamaConfig config = read_config(blueprint, architecture.model_type);
  Rope rope(blueprint.config, config.head_dim, config.positions, blueprint.where);
  ModelShape shape{architecture.class_name, architecture.model_type, config.layers,
                   config.hidden,           config.vocabulary,       config.positions};
  return std::make_unique<LlamaForCausalLM>(config, std::move(shape), std::move(rope), blueprint);
}

}  // namespace peft
