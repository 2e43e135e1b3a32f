// Gemma 1, 2 and 3 (its text model).
#include <cmath>

#include "gguf_architectures.h"
#include "gguf_fields.h"
#include "peft/util/error.h"
#include "peft/util/text.h"

namespace peft {
namespace {

constexpr GgufProjection kNorm{.change = GgufChange::kPlusOne};

void add_gemma_layer(GgufWeights& layer, const GgufSizes& sizes, int generation) {
  const int64_t hidden = sizes.hidden;
  layer.add("input_layernorm", "attn_norm", {hidden}, kNorm);
  layer.add("self_attn.q_proj", "attn_q", {sizes.query(), hidden});
  layer.add("self_attn.k_proj", "attn_k", {sizes.key_value(), hidden});
  layer.add("self_attn.v_proj", "attn_v", {sizes.key_value(), hidden});
  layer.add("self_attn.o_proj", "attn_output", {hidden, sizes.query()});
  layer.add("mlp.gate_proj", "ffn_gate", {sizes.mlp, hidden});
  layer.add("mlp.up_proj", "ffn_up", {sizes.mlp, hidden});
  layer.add("mlp.down_proj", "ffn_down", {hidden, sizes.mlp});
  if (generation == 1) {
    layer.add("post_attention_layernorm", "ffn_norm", {hidden}, kNorm);
    return;
  }
  layer.add("post_attention_layernorm", "post_attention_norm", {hidden}, kNorm);
  layer.add("pre_feedforward_layernorm", "ffn_norm", {hidden}, kNorm);
  layer.add("post_feedforward_layernorm", "post_ffw_norm", {hidden}, kNorm);
  if (generation == 3) {
    layer.add("self_attn.q_norm", "attn_q_norm", {sizes.head_dim}, kNorm);
    layer.add("self_attn.k_norm", "attn_k_norm", {sizes.head_dim}, kNorm);
  }
}

/// The file does not say what scores are scaled by. As llama.cpp has it, the largest models of both
/// generations (46 and 62 layers) go by hidden / heads and all others by the width of a head.
Json query_scalar(const GgufSizes& sizes, int generation) {
  const bool is_largest = sizes.layers == (generation == 2 ? 46 : 62);
  return is_largest ? sizes.hidden / sizes.heads : sizes.head_dim;
}

/// Every `period`-th layer sees everything, the others a window.
Json layer_types(int64_t layers, int64_t period) {
  Json types = Json::array();
  for (int64_t i = 0; i < layers; ++i) {
    types.push_back((i + 1) % period == 0 ? "full_attention" : "sliding_attention");
  }
  return types;
}

void add_window_keys(Json& config, const GgufFields& fields, const GgufSizes& sizes,
                     int generation) {
  const int64_t usual = generation == 2 ? 2 : 6;
  const int64_t absent = generation == 2 ? 4096 : 0;
  const int64_t window = fields.count("attention.sliding_window", absent);
  // A file without a window is one whose layers all see everything.
  const int64_t period = window == 0 ? 1 : fields.size("attention.sliding_window_pattern", usual);
  config["sliding_window"] = window == 0 ? sizes.positions : window;
  config["layer_types"] = layer_types(sizes.layers, period);
  if (generation == 3) {
    config["sliding_window_pattern"] = period;
  }
}

/// A cap of scores or logits; null where there is none.
Json softcap_of(const GgufFields& fields, const char* key, const Json& absent) {
  return fields.has(key) ? Json(fields.positive(key)) : absent;
}

Json gemma_config(const GgufFields& fields, const GgufSizes& sizes, int generation) {
  constexpr std::array kClasses = {"GemmaForCausalLM", "Gemma2ForCausalLM", "Gemma3ForCausalLM"};
  constexpr std::array kTypes = {"gemma", "gemma2", "gemma3_text"};
  const auto index = static_cast<size_t>(generation - 1);
  const double absent_theta = generation == 3 ? 1e6 : 1e4;
  const double rope_theta = fields.positive("rope.freq_base", absent_theta);
  Json config = {{"architectures", {kClasses.at(index)}},
                 {"model_type", kTypes.at(index)},
                 {"vocab_size", sizes.vocabulary},
                 {"hidden_size", sizes.hidden},
                 {"intermediate_size", sizes.mlp},
                 {"num_hidden_layers", sizes.layers},
                 {"num_attention_heads", sizes.heads},
                 {"num_key_value_heads", sizes.kv_heads},
                 {"head_dim", sizes.head_dim},
                 {"hidden_activation", "gelu_pytorch_tanh"},
                 {"max_position_embeddings", sizes.positions},
                 {"rms_norm_eps", fields.positive("attention.layer_norm_rms_epsilon")},
                 {"rope_theta", rope_theta},
                 {"tie_word_embeddings", sizes.tied},
                 {"attention_bias", false},
                 {"attention_dropout", 0.0}};
  if (generation == 1) {
    config["hidden_act"] = "gelu_pytorch_tanh";
    return config;
  }
  config["query_pre_attn_scalar"] = query_scalar(sizes, generation);
  config["attn_logit_softcapping"] =
      generation == 2 ? softcap_of(fields, "attn_logit_softcapping", 50.0) : Json();
  config["final_logit_softcapping"] =
      softcap_of(fields, "final_logit_softcapping", generation == 2 ? Json(30.0) : Json());
  add_window_keys(config, fields, sizes, generation);
  if (generation == 3) {
    config["rope_local_base_freq"] = fields.positive("rope.freq_base_swa", 1e4);
    config["rope_scaling"] = read_gguf_rope_scaling(fields, sizes, rope_theta);
  }
  return config;
}

}  // namespace

GgufModel read_gemma_family(const GgufFields& fields) {
  const std::string& name = fields.architecture();
  const int generation = name == "gemma" ? 1 : name == "gemma2" ? 2 : 3;
  fields.refuse({"attention.scale", "expert_count"});
  const GgufSizes sizes = read_gguf_sizes(fields);
  check<ModelError>(sizes.rotated == sizes.head_dim,
                    "{}: heads of {} elements with {} rotated are not supported", fields.where(),
                    sizes.head_dim, sizes.rotated);
  GgufModel model{.config = gemma_config(fields, sizes, generation),
                  .vocabulary = sizes.vocabulary,
                  .positions = sizes.positions,
                  .settings = {"rope_freqs.weight"}};
  GgufWeights top(model, "", "");
  top.add("model.embed_tokens", "token_embd", {sizes.vocabulary, sizes.hidden});
  top.add("model.norm", "output_norm", {sizes.hidden}, kNorm);
  if (!sizes.tied) {
    top.add("lm_head", "output", {sizes.vocabulary, sizes.hidden});
  }
  for (int64_t i = 0; i < sizes.layers; ++i) {
    GgufWeights layer(model, fmt::format("model.layers.{}.", i), fmt::format("blk.{}.", i));
    add_gemma_layer(layer, sizes, generation);
  }
  return model;
}

}  // namespace peft
