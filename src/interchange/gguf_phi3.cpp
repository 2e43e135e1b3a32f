// Phi-3 and Phi-4: q, k, v fused, gate and up fused, and longrope's factors as two tensors.
#include <cmath>

#include "gguf_architectures.h"
#include "gguf_fields.h"
#include "peft/util/error.h"
#include "peft/util/text.h"

namespace peft {
namespace {

constexpr const char* kShort = "rope_factors_short.weight";
constexpr const char* kLong = "rope_factors_long.weight";

Json factors_of(const GgufFields& fields, const GgufSizes& sizes, const char* tensor) {
  Json list = Json::array();
  for (const float factor : fields.values_of(tensor, sizes.rotated / 2)) {
    check<ModelError>(std::isfinite(factor) && factor > 0.0f,
                      "{}: {}: expected positive factors, found {}", fields.where(), tensor,
                      factor);
    list.push_back(std::stod(fmt::format("{}", factor)));  // 1.1, not 1.10000002384
  }
  return list;
}

/// Longrope as Phi3Config spells it, with these three keys and no others. Its factor on cosines and
/// sines is sqrt(1 + ln k / ln O), k = positions / O, and cannot be another.
Json longrope(const GgufFields& fields, const GgufSizes& sizes, int64_t original) {
  if (!fields.has_tensor(kShort) && !fields.has_tensor(kLong)) {
    return nullptr;
  }
  const double growth = static_cast<double>(sizes.positions) / static_cast<double>(original);
  const double expected =
      growth > 1.0 ? std::sqrt(1.0 + std::log(growth) / std::log(static_cast<double>(original)))
                   : 1.0;
  const double found = fields.positive("rope.scaling.attn_factor", expected);
  check<ModelError>(std::abs(found - expected) <= 1e-4 * expected,
                    "{}: {}: {} is not longrope's factor for {} of {} positions, {}; other "
                    "scalings of the positions are not supported",
                    fields.where(), fields.name("rope.scaling.attn_factor"), found, sizes.positions,
                    original, expected);
  return {{"type", "longrope"},
          {"short_factor", factors_of(fields, sizes, kShort)},
          {"long_factor", factors_of(fields, sizes, kLong)}};
}

Json phi3_config(const GgufFields& fields, const GgufSizes& sizes) {
  const int64_t original = fields.size("rope.scaling.original_context_length", sizes.positions);
  const int64_t window = fields.count("attention.sliding_window", 0);
  return {{"architectures", {"Phi3ForCausalLM"}},
          {"model_type", "phi3"},
          {"vocab_size", sizes.vocabulary},
          {"hidden_size", sizes.hidden},
          {"intermediate_size", sizes.mlp},
          {"num_hidden_layers", sizes.layers},
          {"num_attention_heads", sizes.heads},
          {"num_key_value_heads", sizes.kv_heads},
          {"hidden_act", "silu"},
          {"max_position_embeddings", sizes.positions},
          {"original_max_position_embeddings", original},
          {"rms_norm_eps", fields.positive("attention.layer_norm_rms_epsilon")},
          {"rope_theta", fields.positive("rope.freq_base", 10000.0)},
          {"rope_scaling", longrope(fields, sizes, original)},
          {"partial_rotary_factor", sizes.rotated_share()},
          {"sliding_window", window == 0 ? Json() : Json(window)},
          {"tie_word_embeddings", sizes.tied},
          {"attention_bias", false},
          {"attention_dropout", 0.0},
          {"embd_pdrop", 0.0},
          {"resid_pdrop", 0.0}};
}

}  // namespace

GgufModel read_phi3(const GgufFields& fields) {
  fields.refuse({"attention.scale", "expert_count"});
  const GgufSizes sizes = read_gguf_sizes(fields);
  check<ModelError>(sizes.query() == sizes.hidden,
                    "{}: {} heads of {} elements do not make the hidden {}, as Phi-3's must",
                    fields.where(), sizes.heads, sizes.head_dim, sizes.hidden);
  GgufModel model{.config = phi3_config(fields, sizes),
                  .vocabulary = sizes.vocabulary,
                  .positions = sizes.positions,
                  .settings = {kShort, kLong}};
  GgufWeights top(model, "", "");
  top.add("model.embed_tokens", "token_embd", {sizes.vocabulary, sizes.hidden});
  top.add("model.norm", "output_norm", {sizes.hidden});
  if (!sizes.tied) {
    top.add("lm_head", "output", {sizes.vocabulary, sizes.hidden});
  }
  for (int64_t i = 0; i < sizes.layers; ++i) {
    GgufWeights layer(model, fmt::format("model.layers.{}.", i), fmt::format("blk.{}.", i));
    layer.add("input_layernorm", "attn_norm", {sizes.hidden});
    layer.add("self_attn.qkv_proj", "attn_qkv",
              {sizes.query() + 2 * sizes.key_value(), sizes.hidden});
    layer.add("self_attn.o_proj", "attn_output", {sizes.hidden, sizes.query()});
    layer.add("post_attention_layernorm", "ffn_norm", {sizes.hidden});
    layer.add("mlp.gate_up_proj", "ffn_up", {2 * sizes.mlp, sizes.hidden});
    layer.add("mlp.down_proj", "ffn_down", {sizes.hidden, sizes.mlp});
  }
  return model;
}

}  // namespace peft
