// Llama and what shares its frame: Qwen 2, Qwen 3, and the mixtures of experts Mixtral and
// Qwen3-MoE. Mistral comes as "llama", too, and is one.
#include "gguf_architectures.h"
#include "gguf_fields.h"
#include "peft/util/error.h"
#include "peft/util/text.h"

namespace peft {
namespace {

struct LlamaTraits {
  const char* model_type;
  const char* class_name;
  bool interleaved = false;   // rows of q and k
  bool input_biases = false;  // of q, k and v, always
  bool head_norms = false;
  bool always_experts = false;
};

LlamaTraits traits_of(const GgufFields& fields) {
  const std::string& name = fields.architecture();
  if (name == "qwen2") {
    return {.model_type = "qwen2", .class_name = "Qwen2ForCausalLM", .input_biases = true};
  }
  if (name == "qwen3") {
    return {.model_type = "qwen3", .class_name = "Qwen3ForCausalLM", .head_norms = true};
  }
  if (name == "qwen3moe") {
    return {.model_type = "qwen3_moe",
            .class_name = "Qwen3MoeForCausalLM",
            .head_norms = true,
            .always_experts = true};
  }
  if (fields.count("expert_count", 0) > 0) {
    return {.model_type = "mixtral",
            .class_name = "MixtralForCausalLM",
            .interleaved = true,
            .always_experts = true};
  }
  return {.model_type = "llama", .class_name = "LlamaForCausalLM", .interleaved = true};
}

struct Experts {
  int64_t count = 0, per_token = 0, width = 0;
  bool stacked = true;  // older files have a tensor for each
};

Experts read_experts(const GgufFields& fields, const GgufSizes& sizes) {
  Experts experts;
  experts.count = fields.size("expert_count");
  experts.per_token = fields.size("expert_used_count");
  experts.width = fields.size("expert_feed_forward_length", sizes.mlp);
  experts.stacked = !fields.has_tensor("blk.0.ffn_gate.0.weight");
  check<ModelError>(experts.count <= 4096 && experts.per_token <= experts.count,
                    "{}: {} of {} experts per token", fields.where(), experts.per_token,
                    experts.count);
  return experts;
}

/// Biases that a llama file may or may not have.
struct Biases {
  bool attention = false, mlp = false;
};

void add_experts(GgufWeights& layer, const GgufSizes& sizes, const Experts& experts,
                 bool is_mixtral) {
  const std::string part = is_mixtral ? "block_sparse_moe." : "mlp.";
  layer.add(part + "gate", "ffn_gate_inp", {experts.count, sizes.hidden});
  const std::vector<int64_t> in = {experts.width, sizes.hidden};
  const std::vector<int64_t> out = {sizes.hidden, experts.width};
  for (int64_t i = 0; i < experts.count; ++i) {
    const std::string name = fmt::format("{}experts.{}.", part, i);
    const auto add = [&](const char* mixtral, const char* qwen, const std::string& gguf,
                         const std::vector<int64_t>& shape) {
      layer.add_expert(name + (is_mixtral ? mixtral : qwen),
                       experts.stacked ? gguf + "_exps" : fmt::format("{}.{}", gguf, i), shape,
                       experts.stacked ? experts.count : 0, experts.stacked ? i : 0);
    };
    add("w1", "gate_proj", "ffn_gate", in);
    add("w3", "up_proj", "ffn_up", in);
    add("w2", "down_proj", "ffn_down", out);
  }
}

void add_attention(GgufWeights& layer, const GgufSizes& sizes, const LlamaTraits& traits,
                   bool with_bias) {
  const GgufChange change = traits.interleaved ? GgufChange::kInterleaved : GgufChange::kNone;
  const bool input_bias = with_bias || traits.input_biases;
  layer.add("self_attn.q_proj", "attn_q", {sizes.query(), sizes.hidden},
            {input_bias, change, sizes.heads});
  layer.add("self_attn.k_proj", "attn_k", {sizes.key_value(), sizes.hidden},
            {input_bias, change, sizes.kv_heads});
  layer.add("self_attn.v_proj", "attn_v", {sizes.key_value(), sizes.hidden}, {input_bias});
  layer.add("self_attn.o_proj", "attn_output", {sizes.hidden, sizes.query()}, {with_bias});
  if (traits.head_norms) {
    layer.add("self_attn.q_norm", "attn_q_norm", {sizes.head_dim});
    layer.add("self_attn.k_norm", "attn_k_norm", {sizes.head_dim});
  }
}

void add_mlp(GgufWeights& layer, const GgufSizes& sizes, bool with_bias) {
  layer.add("mlp.gate_proj", "ffn_gate", {sizes.mlp, sizes.hidden}, {with_bias});
  layer.add("mlp.up_proj", "ffn_up", {sizes.mlp, sizes.hidden}, {with_bias});
  layer.add("mlp.down_proj", "ffn_down", {sizes.hidden, sizes.mlp}, {with_bias});
}

Json base_config(const GgufFields& fields, const GgufSizes& sizes, const LlamaTraits& traits) {
  const double rope_theta = fields.positive("rope.freq_base", 10000.0);
  return {{"architectures", {traits.class_name}},
          {"model_type", traits.model_type},
          {"vocab_size", sizes.vocabulary},
          {"hidden_size", sizes.hidden},
          {"intermediate_size", sizes.mlp},
          {"num_hidden_layers", sizes.layers},
          {"num_attention_heads", sizes.heads},
          {"num_key_value_heads", sizes.kv_heads},
          {"head_dim", sizes.head_dim},
          {"hidden_act", "silu"},
          {"max_position_embeddings", sizes.positions},
          {"rms_norm_eps", fields.positive("attention.layer_norm_rms_epsilon")},
          {"rope_theta", rope_theta},
          {"rope_scaling", read_gguf_rope_scaling(fields, sizes, rope_theta)},
          {"tie_word_embeddings", sizes.tied}};
}

/// What only some of the family have in their config.
void add_own_keys(Json& config, const std::string& model_type, const Biases& biases) {
  if (model_type == "llama") {
    config["attention_bias"] = biases.attention;
    config["mlp_bias"] = biases.mlp;
  } else if (model_type == "qwen3" || model_type == "qwen3_moe") {
    config["attention_bias"] = false;
  }
  if (model_type != "llama") {  // llama.cpp lets every layer of these see everything
    config["sliding_window"] = nullptr;
  }
  if (model_type == "qwen2" || model_type == "qwen3" || model_type == "qwen3_moe") {
    config["use_sliding_window"] = false;
  }
}

void add_expert_keys(Json& config, const Experts& experts, bool is_mixtral) {
  config["num_experts_per_tok"] = experts.per_token;
  config[is_mixtral ? "num_local_experts" : "num_experts"] = experts.count;
  if (!is_mixtral) {
    config["moe_intermediate_size"] = experts.width;
    config["norm_topk_prob"] = true;  // as llama.cpp computes it
    config["decoder_sparse_step"] = 1;
    config["mlp_only_layers"] = Json::array();
  }
}

}  // namespace

GgufModel read_llama_family(const GgufFields& fields) {
  // Variants that share the name and compute something else.
  fields.refuse({"attention.scale", "logit_scale", "embedding_scale", "residual_scale",
                 "expert_shared_count", "expert_weights_scale", "interleave_moe_layer_step"});
  const LlamaTraits traits = traits_of(fields);
  const std::string model_type = traits.model_type;
  const bool is_mixtral = model_type == "mixtral";
  const GgufSizes sizes = read_gguf_sizes(fields);
  check<ModelError>(sizes.rotated == sizes.head_dim,
                    "{}: heads of {} elements with {} rotated are not supported", fields.where(),
                    sizes.head_dim, sizes.rotated);
  const bool is_llama = model_type == "llama";
  const Biases biases{is_llama && fields.has_tensor("blk.0.attn_q.bias"),
                      is_llama && fields.has_tensor("blk.0.ffn_gate.bias")};
  const Experts experts = traits.always_experts ? read_experts(fields, sizes) : Experts{};

  GgufModel model{.vocabulary = sizes.vocabulary,
                  .positions = sizes.positions,
                  .settings = {"rope_freqs.weight"}};
  model.config = base_config(fields, sizes, traits);
  add_own_keys(model.config, model_type, biases);
  GgufWeights top(model, "", "");
  top.add("model.embed_tokens", "token_embd", {sizes.vocabulary, sizes.hidden});
  top.add("model.norm", "output_norm", {sizes.hidden});
  if (!sizes.tied) {
    top.add("lm_head", "output", {sizes.vocabulary, sizes.hidden});
  }
  for (int64_t i = 0; i < sizes.layers; ++i) {
    GgufWeights layer(model, fmt::format("model.layers.{}.", i), fmt::format("blk.{}.", i));
    layer.add("input_layernorm", "attn_norm", {sizes.hidden});
    add_attention(layer, sizes, traits, biases.attention);
    layer.add("post_attention_layernorm", "ffn_norm", {sizes.hidden});
    if (traits.always_experts) {
      add_experts(layer, sizes, experts, is_mixtral);
    } else {
      add_mlp(layer, sizes, biases.mlp);
    }
  }
  if (traits.always_experts) {
    add_expert_keys(model.config, experts, is_mixtral);
  }
  model.config["attention_dropout"] = 0.0;
  model.config["initializer_range"] = 0.02;
  model.config["use_cache"] = true;
  return model;
}

}  // namespace peft
