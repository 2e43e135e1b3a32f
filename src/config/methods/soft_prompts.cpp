#include "tables.h"

namespace peft {
namespace {

using enum ValueType;

/// Of all methods with virtual tokens; PEFT fills the last ones in from the model.
std::vector<Key> virtual_token_keys(int64_t usual_count) {
  return {
      {.name = "num_virtual_tokens",
       .types = {kInt},
       .fallback = usual_count,
       .least = 1,
       .most = 65536,
       .summary = "virtual tokens in front of every row",
       .fixed_by_adapter = true},
      {.name = "modules_to_save",
       .types = {kStringList},
       .fallback = nullptr,
       .summary = "a classifier's head, which trains beside the virtual tokens; no other module",
       .automatic = "none",
       .fixed_by_adapter = true},
      ignored_field("num_layers", nullptr),
      ignored_field("token_dim", nullptr),
      ignored_field("num_attention_heads", nullptr),
      ignored_field("num_transformer_submodules", nullptr),
  };
}

Key encoder_hidden_size_key(const std::string& usual) {
  return {.name = "encoder_hidden_size",
          .types = {kInt},
          .fallback = nullptr,
          .least = 1,
          .most = 1 << 20,
          .summary = "inner width of the encoder that makes the tokens in training",
          .automatic = usual,
          .fixed_by_adapter = true};
}

std::vector<Key> prompt_start_keys() {
  return {
      {.name = "prompt_tuning_init",
       .types = {kString},
       .fallback = "SAMPLE_VOCAB",
       .choices = {"SAMPLE_VOCAB", "TEXT", "RANDOM"},
       .summary =
           "start: embeddings of random tokens, of a text's tokens, or noise far larger than "
           "any embedding",
       .saved = "RANDOM"},
      {.name = "prompt_tuning_init_text",
       .types = {kString},
       .fallback = nullptr,
       .summary = "the text of TEXT, repeated or cut to the number of virtual tokens",
       .automatic = "none"},
      ignored_field("tokenizer_name_or_path", nullptr),
      ignored_field("tokenizer_kwargs", nullptr),
  };
}

std::vector<Key> prefix_keys() {
  return {
      {.name = "prefix_projection",
       .types = {kBool},
       .fallback = false,
       .summary = "train a small network that makes the prefix; only the prefix is stored",
       .fixed_by_adapter = true},
      encoder_hidden_size_key("the width of a key"),
      {.name = "init_weights",
       .types = {kString},
       .fallback = nullptr,
       .choices = {"zero"},
       .summary = "zero: start from zeros, which takes attention away all the same",
       .automatic = "noise"},
  };
}

std::vector<Key> p_tuning_keys() {
  return {
      {.name = "encoder_reparameterization_type",
       .types = {kString},
       .fallback = "MLP",
       .choices = {"MLP", "LSTM"},
       .summary = "the encoder that makes the tokens in training",
       .fixed_by_adapter = true},
      encoder_hidden_size_key("the model's hidden size"),
      {.name = "encoder_num_layers",
       .types = {kInt},
       .fallback = 2,
       .least = 1,
       .most = 64,
       .summary = "layers of the LSTM",
       .fixed_by_adapter = true},
      {.name = "encoder_dropout",
       .types = {kNumber},
       .fallback = 0.0,
       .least = 0.0,
       .most = 0.99,
       .summary = "dropout between the layers of the LSTM"},
  };
}

std::vector<Key> llama_adapter_keys() {
  return {
      {.name = "adapter_len",
       .types = {kInt},
       .fallback = 10,
       .least = 1,
       .most = 65536,
       .summary = "virtual tokens of every adapted layer",
       .fixed_by_adapter = true},
      {.name = "adapter_layers",
       .types = {kInt},
       .fallback = nullptr,
       .least = 1,
       .most = 1e6,
       .summary = "adapted layers, counted from the top",
       .automatic = "all but the two lowest",
       .fixed_by_adapter = true},
      ignored_field("target_modules", nullptr),
  };
}

int64_t number(const Json& adapter, const char* key, int64_t usual) {
  const Json& value = adapter.at(key);
  return value.is_null() ? usual : value.get<int64_t>();
}

int64_t prompt_parameters(const Json& adapter, const ModelSizes& model) {
  return number(adapter, "num_virtual_tokens", 0) * model.embedding_width;
}

int64_t prefix_stored(const Json& adapter, const ModelSizes& model) {
  return number(adapter, "num_virtual_tokens", 0) * 2 * model.layers * model.key_width();
}

int64_t prefix_parameters(const Json& adapter, const ModelSizes& model) {
  if (adapter.at("prefix_projection") != true) {
    return prefix_stored(adapter, model);
  }
  const int64_t width = model.key_width();
  const int64_t inner = number(adapter, "encoder_hidden_size", width);
  const int64_t out = 2 * model.layers * width;
  return number(adapter, "num_virtual_tokens", 0) * width + width * inner + inner + inner * out +
         out;
}

/// Both directions of every layer: four gates from inputs and state, with two biases; then
/// Linear(2h, 2h) and Linear(2h, H).
int64_t lstm_parameters(int64_t layers, int64_t hidden, int64_t inner) {
  int64_t count = 2 * inner * (2 * inner) + 2 * inner + 2 * inner * hidden + hidden;
  for (int64_t layer = 0; layer < layers; ++layer) {
    const int64_t in = layer == 0 ? hidden : 2 * inner;
    count += 2 * 4 * inner * (in + inner + 2);
  }
  return count;
}

int64_t p_tuning_parameters(const Json& adapter, const ModelSizes& model) {
  const int64_t hidden = model.embedding_width;
  const int64_t inner = number(adapter, "encoder_hidden_size", hidden);
  const int64_t mlp = hidden * inner + inner + inner * inner + inner + inner * hidden + hidden;
  const bool lstm = adapter.at("encoder_reparameterization_type") == "LSTM";
  return prompt_parameters(adapter, model) +
         (lstm ? lstm_parameters(number(adapter, "encoder_num_layers", 2), hidden, inner) : mlp);
}

/// A prompt (A, H) and a gate per layer.
int64_t llama_adapter_parameters(const Json& adapter, const ModelSizes& model) {
  const int64_t layers = number(adapter, "adapter_layers", std::max<int64_t>(1, model.layers - 2));
  return std::min(layers, model.layers) * (number(adapter, "adapter_len", 0) * model.hidden + 1);
}

/// The prompt is below the blocks.
BlockUse kept_by_prompt(const Json& /*adapter*/, const ModelSizes& /*model*/, int64_t /*layer*/) {
  return {.below = true};
}

BlockUse kept_by_prefix(const Json& /*adapter*/, const ModelSizes& /*model*/, int64_t /*layer*/) {
  return {.keys = true};
}

/// The queries by key head, the weights of the prompt and what they mix.
BlockUse kept_by_llama_adapter(const Json& adapter, const ModelSizes& model, int64_t layer) {
  BlockUse use;
  const int64_t layers = number(adapter, "adapter_layers", std::max<int64_t>(1, model.layers - 2));
  if (layer >= model.layers - layers) {
    use.attention = 2 * model.query_width() + model.heads * number(adapter, "adapter_len", 0);
  }
  return use;
}

}  // namespace

Method prompt_tuning_method() {
  return {.name = "prompt_tuning",
          .peft_type = "PROMPT_TUNING",
          .kind = "soft prompt",
          .summary = "trained embeddings in front of every text",
          .mergeable = false,
          .served_by = {"PEFT"},
          .learning_rate = 3e-2,
          .keys = joined({virtual_token_keys(20), prompt_start_keys()}),
          .parameters_elsewhere = prompt_parameters,
          .kept_by_block = kept_by_prompt};
}

Method prefix_tuning_method() {
  return {.name = "prefix_tuning",
          .peft_type = "PREFIX_TUNING",
          .kind = "soft prompt",
          .summary = "trained keys and values in front of every text, in every layer",
          .mergeable = false,
          .served_by = {"PEFT"},
          .learning_rate = 5e-3,
          .keys = joined({virtual_token_keys(20), prefix_keys()}),
          .parameters_elsewhere = prefix_parameters,
          .stored_elsewhere = prefix_stored,
          .kept_by_block = kept_by_prefix};
}

Method p_tuning_method() {
  return {.name = "p_tuning",
          .peft_type = "P_TUNING",
          .kind = "soft prompt",
          .summary = "embeddings in front of every text, made by a small network that trains",
          .mergeable = false,
          .served_by = {"PEFT"},
          .learning_rate = 1e-3,
          .keys = joined({virtual_token_keys(20), p_tuning_keys()}),
          .parameters_elsewhere = p_tuning_parameters,
          .stored_elsewhere = prompt_parameters,
          .kept_by_block = kept_by_prompt};
}

Method llama_adapter_method() {
  return {.name = "llama_adapter",
          .peft_type = "ADAPTION_PROMPT",
          .kind = "soft prompt",
          .summary =
              "attention to a trained prompt in the top layers, behind a gate that starts "
              "closed",
          .mergeable = false,
          .served_by = {"PEFT"},
          .learning_rate = 5e-3,
          .keys = llama_adapter_keys(),
          .parameters_elsewhere = llama_adapter_parameters,
          .kept_by_block = kept_by_llama_adapter};
}

}  // namespace peft
