// BERT and RoBERTa: encoders whose norms stand behind each sum, with a classification head. Tokens
// see each other in both directions.
#include <ATen/ATen.h>

#include "architectures.h"
#include "peft/config/model_family.h"
#include "peft/models/config_fields.h"
#include "peft/models/decoder.h"

namespace peft {
namespace {

struct BertConfig {
  DecoderSizes sizes;
  int64_t types, first_position;
  double eps;
  Activation activation;
  bool is_roberta;
};

BertConfig read_bert(const ModelBlueprint& blueprint) {
  const ConfigFields fields(blueprint.config, blueprint.where);
  BertConfig config{};
  config.is_roberta = std::string(blueprint.family.model_type) == "roberta";
  config.sizes = read_sizes(fields, {.hidden = 768,
                                     .mlp = 3072,
                                     .layers = 12,
                                     .heads = 12,
                                     .vocabulary = config.is_roberta ? 50265 : 30522,
                                     .positions = 512});
  config.first_position = positions_before_text(blueprint.config);
  config.types = fields.size({"type_vocab_size"}, 2);
  config.eps = fields.epsilon("layer_norm_eps", 1e-12);
  config.activation = activation(fields.text("hidden_act", "gelu"), blueprint.where);
  const std::string kind = fields.text("position_embedding_type", "absolute");
  check<ModelError>(kind == "absolute",
                    "{}: position_embedding_type: expected absolute, found \"{}\"", blueprint.where,
                    kind);
  for (const char* key : {"is_decoder", "add_cross_attention"}) {
    check<ModelError>(!fields.flag(key, false), "{}: {}: expected false, found true",
                      blueprint.where, key);
  }
  return config;
}

std::shared_ptr<torch::nn::Module> group() {
  return std::make_shared<torch::nn::Module>();
}

std::shared_ptr<LayerNorm> bert_norm(const BertConfig& c, const at::TensorOptions& options) {
  return std::make_shared<LayerNorm>(c.sizes.hidden, c.eps, options);
}

class BertAttention final : public Attention {
 public:
  BertAttention(const BertConfig& c, int64_t layer, const at::TensorOptions& options)
      : Attention({layer, c.sizes.heads, c.sizes.heads, c.sizes.head_dim}, {.causal = false}) {
    const auto self = register_module("self", group());
    output_ = register_module("output", group());
    const auto add = [&](torch::nn::Module& parent, const char* name, Place place) {
      return parent.register_module(
          name, std::make_shared<Linear>(place, c.sizes.hidden, c.sizes.hidden, /*with_bias=*/true,
                                         options));
    };
    q_ = add(*self, "query", Place::kQuery);
    k_ = add(*self, "key", Place::kKey);
    v_ = add(*self, "value", Place::kValue);
    out_ = add(*output_, "dense", Place::kAttentionOut);
  }

  Tensor forward(const Tensor& x, const BlockInput& input) const override {
    const auto [k, v] = project_kv(x);
    return attend(split_heads(q_->forward(x), shape().heads), k, v, input);
  }

  std::pair<Tensor, Tensor> project_kv(const Tensor& x) const override {
    return {split_heads(k_->forward(x), shape().heads), split_heads(v_->forward(x), shape().heads)};
  }

  /// The norm behind the sum has its name here.
  std::shared_ptr<LayerNorm> add_norm(std::shared_ptr<LayerNorm> norm) {
    return output_->register_module("LayerNorm", std::move(norm));
  }

 protected:
  const Linear& out_projection() const override { return *out_; }

 private:
  std::shared_ptr<torch::nn::Module> output_;
  std::shared_ptr<Linear> q_, k_, v_, out_;
};

/// h = norm(x + attention(x)), norm(h + down(f(up(h)))).
class BertBlock final : public Block {
 public:
  BertBlock(const BertConfig& c, int64_t layer, const at::TensorOptions& options)
      : f_(c.activation),
        attention_(
            register_module("attention", std::make_shared<BertAttention>(c, layer, options))),
        attention_norm_(attention_->add_norm(bert_norm(c, options))) {
    const auto add = [&](torch::nn::Module& parent, Place place, int64_t in, int64_t out) {
      return parent.register_module(
          "dense", std::make_shared<Linear>(place, in, out, /*with_bias=*/true, options));
    };
    const auto inner = register_module("intermediate", group());
    const auto output = register_module("output", group());
    up_ = add(*inner, Place::kMlpUp, c.sizes.hidden, c.sizes.mlp);
    down_ = add(*output, Place::kMlpDown, c.sizes.mlp, c.sizes.hidden);
    mlp_norm_ = output->register_module("LayerNorm", bert_norm(c, options));
    attention_residual.norm_behind = attention_norm_.get();
    mlp_residual.norm_behind = mlp_norm_.get();
  }

  Tensor forward(const Tensor& x, const BlockInput& input) const override {
    const Tensor h =
        attention_norm_->forward(attention_residual.add(x, attention_->forward(x, input)));
    return mlp_norm_->forward(mlp_residual.add(h, down_->forward(f_(up_->forward(h)))));
  }

 private:
  Activation f_;
  std::shared_ptr<BertAttention> attention_;
  std::shared_ptr<LayerNorm> attention_norm_;
  std::shared_ptr<Linear> up_, down_;
  std::shared_ptr<LayerNorm> mlp_norm_;
};

/// Tokens, positions and types are added up and normed; the head sees the first token through one
/// more layer: classifier(tanh(dense(x_0))).
class BertClassifier final : public Decoder {
 public:
  BertClassifier(const BertConfig& c, DecoderParts parts, const ModelBlueprint& blueprint)
      : Decoder(std::move(parts), blueprint), first_position_(c.first_position) {
    const auto& options = blueprint.options;
    torch::nn::Module& embeddings = *trunk_module().named_children()["embeddings"];
    const auto table = [&](const char* name, int64_t rows) {
      return embeddings.register_module(name,
                                        std::make_shared<Embedding>(rows, c.sizes.hidden, options));
    };
    positions_ = table("position_embeddings", c.sizes.positions);
    types_ = table("token_type_embeddings", c.types);
    norm_ = embeddings.register_module("LayerNorm", bert_norm(c, options));
    const Place place = c.is_roberta ? Place::kHead : Place::kOther;
    dense_ = std::make_shared<Linear>(place, c.sizes.hidden, c.sizes.hidden, /*with_bias=*/true,
                                      options);
    if (c.is_roberta) {
      named_children()["classifier"]->register_module("dense", dense_);
    } else {
      trunk_module().register_module("pooler", group())->register_module("dense", dense_);
    }
  }

 protected:
  Tensor enter(const ModelInput& input) const override {
    const bool has_types = input.types.defined() && types_->weight().size(0) > 1;
    const Tensor types = has_types ? input.types : at::zeros_like(input.positions);
    return norm_->forward(input.embeddings + types_->forward(types) +
                          positions_->forward(input.positions + first_position_));
  }

  Tensor pooled(const Tensor& hidden, const Segments& segments) const override {
    const Tensor first = segments.offsets.narrow(0, 0, segments.count()).to(at::kLong);
    // Of every row, since a hook's dropout goes by the rows of the batch.
    return at::tanh(dense_->forward(hidden).index_select(0, first));
  }

 private:
  int64_t first_position_;
  std::shared_ptr<Embedding> positions_, types_;
  std::shared_ptr<LayerNorm> norm_;
  std::shared_ptr<Linear> dense_;
};

}  // namespace

std::unique_ptr<CausalLM> build_bert(const ModelBlueprint& blueprint) {
  const BertConfig config = read_bert(blueprint);
  check<ModelError>(!blueprint.labels.empty(),
                    "{}: architectures: expected {} (a classification head), found {}",
                    blueprint.where, blueprint.family.class_name,
                    json_excerpt(blueprint.config.value("architectures", Json())));
  DecoderParts parts;
  parts.shape = decoder_shape(blueprint, config.sizes);
  parts.shape.max_positions = config.sizes.positions - config.first_position;
  parts.shape.causal = false;
  parts.names = {.trunk = blueprint.family.model_type,
                 .embedding = "embeddings.word_embeddings",
                 .layers = "encoder.layer",
                 .norm = "",
                 .classifier = config.is_roberta ? "classifier.out_proj" : "classifier"};
  parts.classifier_bias = true;
  for (int64_t i = 0; i < config.sizes.layers; ++i) {
    parts.blocks.push_back(std::make_shared<BertBlock>(config, i, blueprint.options));
  }
  return std::make_unique<BertClassifier>(config, std::move(parts), blueprint);
}

}  // namespace peft
