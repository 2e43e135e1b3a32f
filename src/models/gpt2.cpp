// GPT-2: fused q, k, v as Conv1D (weights (in, out)), learned positions, LayerNorm, biases.
#include <ATen/ATen.h>

#include "architectures.h"
#include "peft/models/config_fields.h"
#include "peft/nn/activation.h"
#include "peft/nn/norm.h"

namespace peft {
namespace {

struct Gpt2Config {
  int64_t hidden, mlp, layers, heads, vocabulary, positions;
  double eps;
  bool scale_scores, scale_by_layer;
  Activation activation;
};

Gpt2Config read_config(const ModelBlueprint& blueprint) {
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

std::shared_ptr<Linear> conv1d(int64_t in, int64_t out, const at::TensorOptions& options) {
  return std::make_shared<Linear>(in, out, /*with_bias=*/true, options, WeightLayout::kInOut);
}

class Gpt2Attention final : public Attention {
 public:
  Gpt2Attention(const Gpt2Config& c, int64_t layer, const at::TensorOptions& options)
      : Attention({layer, c.heads, c.heads, c.hidden / c.heads, /*fused=*/true},
                  {.scale = score_scale(c, layer)}),
        qkv_(register_module("c_attn", conv1d(c.hidden, 3 * c.hidden, options))),
        out_(register_module("c_proj", conv1d(c.hidden, c.hidden, options))) {}

  Tensor forward(const Tensor& x, const Segments& segments, KvCache* cache) const {
    const std::vector<Tensor> qkv = qkv_->forward(x).chunk(3, /*dim=*/-1);
    return attend(heads(qkv[0]), heads(qkv[1]), heads(qkv[2]), segments, cache);
  }

  std::pair<Tensor, Tensor> project_kv(const Tensor& x) const override {
    const std::vector<Tensor> qkv = qkv_->forward(x).chunk(3, /*dim=*/-1);
    return {heads(qkv[1]), heads(qkv[2])};
  }

  void list(const std::string& path, std::vector<NamedLinear>& all) const {
    all.push_back({path + ".c_attn", Role::kQueryKeyValue, qkv_.get()});
    all.push_back({path + ".c_proj", Role::kAttentionOut, out_.get()});
  }

 protected:
  const Linear& out_projection() const override { return *out_; }

 private:
  Tensor heads(const Tensor& part) const {
    return part.unflatten(-1, {shape().heads, shape().head_dim});
  }

  std::shared_ptr<Linear> qkv_, out_;
};

class Gpt2Mlp final : public torch::nn::Module {
 public:
  Gpt2Mlp(const Gpt2Config& c, const at::TensorOptions& options)
      : activation_(c.activation),
        up_(register_module("c_fc", conv1d(c.hidden, c.mlp, options))),
        down_(register_module("c_proj", conv1d(c.mlp, c.hidden, options))) {}

  Tensor forward(const Tensor& x) const { return down_->forward(activation_(up_->forward(x))); }

  void list(const std::string& path, std::vector<NamedLinear>& all) const {
    all.push_back({path + ".c_fc", Role::kMlpUp, up_.get()});
    all.push_back({path + ".c_proj", Role::kMlpDown, down_.get()});
  }

 private:
  Activation activation_;
  std::shared_ptr<Linear> up_, down_;
};

class Gpt2Block final : public torch::nn::Module {
 public:
  Gpt2Block(const Gpt2Config& c, int64_t layer, const at::TensorOptions& options)
      : attention_norm_(
            register_module("ln_1", std::make_shared<LayerNorm>(c.hidden, c.eps, options))),
        attention_(register_module("attn", std::make_shared<Gpt2Attention>(c, layer, options))),
        mlp_norm_(register_module("ln_2", std::make_shared<LayerNorm>(c.hidden, c.eps, options))),
        mlp_(register_module("mlp", std::make_shared<Gpt2Mlp>(c, options))) {}

  Tensor forward(const Tensor& x, const Segments& segments, KvCache* cache) const {
    const Tensor h = attention_residual_.add(
        x, attention_->forward(attention_norm_->forward(x), segments, cache));
    return mlp_residual_.add(h, mlp_->forward(mlp_norm_->forward(h)));
  }

  void list(const std::string& path, std::vector<NamedResidual>& all) {
    all.push_back({path, /*is_mlp=*/false, &attention_residual_});
    all.push_back({path, /*is_mlp=*/true, &mlp_residual_});
  }

  Gpt2Attention& attention() const { return *attention_; }

  void list(const std::string& path, std::vector<NamedLinear>& all) const {
    attention_->list(path + ".attn", all);
    mlp_->list(path + ".mlp", all);
  }

 private:
  std::shared_ptr<LayerNorm> attention_norm_;
  std::shared_ptr<Gpt2Attention> attention_;
  std::shared_ptr<LayerNorm> mlp_norm_;
  std::shared_ptr<Gpt2Mlp> mlp_;
  Residual attention_residual_, mlp_residual_;
};

/// The checkpoint's "transformer." part: embeddings, blocks, last norm.
class Gpt2Trunk final : public torch::nn::Module {
 public:
  Gpt2Trunk(const Gpt2Config& c, const at::TensorOptions& options)
      : tokens_(
            register_module("wte", std::make_shared<Embedding>(c.vocabulary, c.hidden, options))),
        positions_(
            register_module("wpe", std::make_shared<Embedding>(c.positions, c.hidden, options))) {
    const auto layers = register_module("h", std::make_shared<torch::nn::Module>());
    for (int64_t i = 0; i < c.layers; ++i) {
      blocks_.push_back(
          layers->register_module(std::to_string(i), std::make_shared<Gpt2Block>(c, i, options)));
    }
    norm_ = register_module("ln_f", std::make_shared<LayerNorm>(c.hidden, c.eps, options));
  }

  Embedding& tokens() const { return *tokens_; }
  const Embedding& positions() const { return *positions_; }
  const LayerNorm& norm() const { return *norm_; }
  const std::vector<std::shared_ptr<Gpt2Block>>& blocks() const { return blocks_; }

 private:
  std::shared_ptr<Embedding> tokens_, positions_;
  std::vector<std::shared_ptr<Gpt2Block>> blocks_;
  std::shared_ptr<LayerNorm> norm_;
};

class Gpt2LMHeadModel final : public CausalLM {
 public:
  Gpt2LMHeadModel(const Gpt2Config& c, ModelShape shape, const ModelBlueprint& blueprint)
      : CausalLM(std::move(shape)),
        trunk_(register_module("transformer", std::make_shared<Gpt2Trunk>(c, blueprint.options))),
        head_(register_module("lm_head",
                              std::make_shared<Linear>(c.hidden, c.vocabulary,
                                                       /*with_bias=*/false, blueprint.options))) {
    if (blueprint.tied) {
      head_->tie(trunk_->tokens().weight());
    }
  }

  std::vector<NamedLinear> projections() const override {
    std::vector<NamedLinear> all;
    for (size_t i = 0; i < trunk_->blocks().size(); ++i) {
      trunk_->blocks()[i]->list(fmt::format("transformer.h.{}", i), all);
    }
    return all;
  }
  std::vector<NamedResidual> residuals() const override {
    std::vector<NamedResidual> all;
    for (size_t i = 0; i < trunk_->blocks().size(); ++i) {
      trunk_->blocks()[i]->list(fmt::format("transformer.h.{}", i), all);
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
  Embedding& token_embedding() const override { return trunk_->tokens(); }

 protected:
  Tensor trunk(const ModelInput& input, KvCache* cache) const override {
    const auto segments = std::make_shared<const Segments>(input.segments);
    Tensor x = input.embeddings + trunk_->positions().forward(input.positions);
    for (const auto& block : trunk_->blocks()) {
      x = run_block([=](const Tensor& h) { return block->forward(h, *segments, cache); }, x);
    }
    return trunk_->norm().forward(x);
  }

 private:
  std::shared_ptr<Gpt2Trunk> trunk_;
  std::shared_ptr<Linear> head_;
};

}  // namespace

std::unique_ptr<CausalLM> build_gpt2(const ModelBlueprint& blueprint) {
  const Gpt2Config config = read_config(blueprint);
  ModelShape shape{"GPT2LMHeadModel", "gpt2",          config.layers, config.hidden,
                   config.vocabulary, config.positions};
  return std::make_unique<Gpt2LMHeadModel>(config, std::move(shape), blueprint);
}

}  // namespace peft
