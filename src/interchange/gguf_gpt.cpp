// GPT-2, whose weights Hugging Face stores transposed, and GPT-NeoX (Pythia), whose q, k and v it
// groups by head.
#include "gguf_architectures.h"
#include "gguf_fields.h"
#include "peft/util/error.h"
#include "peft/util/text.h"

namespace peft {
namespace {

constexpr GgufProjection kBiased{.bias = true};
constexpr GgufProjection kConv1d{.bias = true, .change = GgufChange::kTransposed};

Json gpt2_config(const GgufFields& fields, const GgufSizes& sizes) {
  return {{"architectures", {"GPT2LMHeadModel"}},
          {"model_type", "gpt2"},
          {"vocab_size", sizes.vocabulary},
          {"n_embd", sizes.hidden},
          {"n_layer", sizes.layers},
          {"n_head", sizes.heads},
          {"n_positions", sizes.positions},
          {"n_inner", sizes.mlp},
          {"activation_function", "gelu_new"},
          {"layer_norm_epsilon", fields.positive("attention.layer_norm_epsilon")},
          {"tie_word_embeddings", sizes.tied},
          {"attn_pdrop", 0.1},
          {"embd_pdrop", 0.1},
          {"resid_pdrop", 0.1}};
}

Json gpt_neox_config(const GgufFields& fields, const GgufSizes& sizes) {
  return {{"architectures", {"GPTNeoXForCausalLM"}},
          {"model_type", "gpt_neox"},
          {"vocab_size", sizes.vocabulary},
          {"hidden_size", sizes.hidden},
          {"intermediate_size", sizes.mlp},
          {"num_hidden_layers", sizes.layers},
          {"num_attention_heads", sizes.heads},
          {"hidden_act", "gelu"},
          {"max_position_embeddings", sizes.positions},
          {"layer_norm_eps", fields.positive("attention.layer_norm_epsilon")},
          {"rotary_emb_base", fields.positive("rope.freq_base", 10000.0)},
          {"rotary_pct", sizes.rotated_share()},
          {"rope_scaling",
           read_gguf_rope_scaling(fields, sizes, fields.positive("rope.freq_base", 10000.0))},
          {"use_parallel_residual", fields.flag("use_parallel_residual", true)},
          {"tie_word_embeddings", sizes.tied},
          {"attention_bias", true},
          {"attention_dropout", 0.0},
          {"hidden_dropout", 0.0}};
}

/// Both know one key and value head per head, of a width that follows from the others.
void check_plain_heads(const GgufFields& fields, const GgufSizes& sizes) {
  check<ModelError>(sizes.kv_heads == sizes.heads && sizes.query() == sizes.hidden,
                    "{}: {} heads and {} key and value heads of {} elements do not make the "
                    "hidden {}, as those of {} must",
                    fields.where(), sizes.heads, sizes.kv_heads, sizes.head_dim, sizes.hidden,
                    fields.architecture());
}

}  // namespace

GgufModel read_gpt2(const GgufFields& fields) {
  const GgufSizes sizes = read_gguf_sizes(fields);
  check_plain_heads(fields, sizes);
  GgufModel model{.config = gpt2_config(fields, sizes),
                  .vocabulary = sizes.vocabulary,
                  .positions = sizes.positions};
  GgufWeights top(model, "", "");
  top.add("transformer.wte", "token_embd", {sizes.vocabulary, sizes.hidden});
  top.add("transformer.wpe", "position_embd", {sizes.positions, sizes.hidden});
  top.add("transformer.ln_f", "output_norm", {sizes.hidden}, kBiased);
  if (!sizes.tied) {  // older converters store the embedding twice
    top.add("lm_head", "output", {sizes.vocabulary, sizes.hidden});
  }
  for (int64_t i = 0; i < sizes.layers; ++i) {
    GgufWeights layer(model, fmt::format("transformer.h.{}.", i), fmt::format("blk.{}.", i));
    layer.add("ln_1", "attn_norm", {sizes.hidden}, kBiased);
    layer.add("attn.c_attn", "attn_qkv", {sizes.hidden, 3 * sizes.hidden}, kConv1d);
    layer.add("attn.c_proj", "attn_output", {sizes.hidden, sizes.hidden}, kConv1d);
    layer.add("ln_2", "ffn_norm", {sizes.hidden}, kBiased);
    layer.add("mlp.c_fc", "ffn_up", {sizes.hidden, sizes.mlp}, kConv1d);
    layer.add("mlp.c_proj", "ffn_down", {sizes.mlp, sizes.hidden}, kConv1d);
  }
  return model;
}

GgufModel read_gpt_neox(const GgufFields& fields) {
  const GgufSizes sizes = read_gguf_sizes(fields);
  check_plain_heads(fields, sizes);
  GgufModel model{.config = gpt_neox_config(fields, sizes),
                  .vocabulary = sizes.vocabulary,
                  .positions = sizes.positions};
  GgufWeights top(model, "", "");
  top.add("gpt_neox.embed_in", "token_embd", {sizes.vocabulary, sizes.hidden});
  top.add("gpt_neox.final_layer_norm", "output_norm", {sizes.hidden}, kBiased);
  if (!sizes.tied) {
    top.add("embed_out", "output", {sizes.vocabulary, sizes.hidden});
  }
  const GgufProjection grouped{true, GgufChange::kGroupedByPart, sizes.heads};
  for (int64_t i = 0; i < sizes.layers; ++i) {
    GgufWeights layer(model, fmt::format("gpt_neox.layers.{}.", i), fmt::format("blk.{}.", i));
    layer.add("input_layernorm", "attn_norm", {sizes.hidden}, kBiased);
    layer.add("attention.query_key_value", "attn_qkv", {3 * sizes.hidden, sizes.hidden}, grouped);
    layer.add("attention.dense", "attn_output", {sizes.hidden, sizes.hidden}, kBiased);
    layer.add("post_attention_layernorm", "ffn_norm", {sizes.hidden}, kBiased);
    layer.add("mlp.dense_h_to_4h", "ffn_up", {sizes.mlp, sizes.hidden}, kBiased);
    layer.add("mlp.dense_4h_to_h", "ffn_down", {sizes.hidden, sizes.mlp}, kBiased);
  }
  return model;
}

}  // namespace peft
