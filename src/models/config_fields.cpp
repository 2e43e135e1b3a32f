#include "peft/models/config_fields.h"

namespace peft {

int64_t ConfigFields::size(std::vector<const char*> keys, int64_t otherwise) const {
  for (const char* key : keys) {
    if (has(key)) {
      const Json& value = json_.at(key);
      check<ModelError>(value.is_number_integer() && value > 0 && value < (int64_t{1} << 31),
                        "{}: {}: expected a positive integer, found {}", where_, key,
                        json_excerpt(value));
      return value.get<int64_t>();
    }
  }
  check<ModelError>(otherwise > 0, "{}: {}: missing", where_, keys.front());
  return otherwise;
}

double ConfigFields::epsilon(const char* key, double otherwise) const {
  if (!has(key)) {
    return otherwise;
  }
  const Json& value = json_.at(key);
  check<ModelError>(value.is_number() && value > 0.0 && value < 1.0,
                    "{}: {}: expected a number between 0 and 1, found {}", where_, key,
                    json_excerpt(value));
  return value.get<double>();
}

double ConfigFields::number(const char* key, double otherwise) const {
  if (!has(key)) {
    return otherwise;
  }
  const Json& value = json_.at(key);
  check<ModelError>(value.is_number() && value > 0.0,
                    "{}: {}: expected a positive number, found {}", where_, key,
                    json_excerpt(value));
  return value.get<double>();
}

bool ConfigFields::flag(const char* key, bool otherwise) const {
  if (!has(key)) {
    return otherwise;
  }
  check<ModelError>(json_.at(key).is_boolean(), "{}: {}: expected a boolean, found {}", where_, key,
                    json_excerpt(json_.at(key)));
  return json_.at(key).get<bool>();
}

std::string ConfigFields::text(const char* key, const std::string& otherwise) const {
  if (!has(key)) {
    return otherwise;
  }
  check<ModelError>(json_.at(key).is_string(), "{}: {}: expected a string, found {}", where_, key,
                    json_excerpt(json_.at(key)));
  return json_.at(key).get<std::string>();
}

DecoderSizes read_sizes(const ConfigFields& fields, const DecoderSizes& absent) {
  // A null means the size that follows, whatever the class's default.
  const auto derived = [&](const char* key, int64_t usual, int64_t follows) {
    const bool is_null = fields.json().contains(key) && !fields.has(key);
    return fields.size({key}, usual == 0 || is_null ? follows : usual);
  };
  DecoderSizes sizes;
  sizes.hidden = fields.size({"hidden_size"}, absent.hidden);
  sizes.mlp = fields.size({"intermediate_size"}, absent.mlp);
  sizes.layers = fields.size({"num_hidden_layers"}, absent.layers);
  sizes.heads = fields.size({"num_attention_heads"}, absent.heads);
  sizes.kv_heads = derived("num_key_value_heads", absent.kv_heads, sizes.heads);
  check<ModelError>(sizes.heads % sizes.kv_heads == 0,
                    "{}: num_key_value_heads: {} does not divide num_attention_heads {}",
                    fields.where(), sizes.kv_heads, sizes.heads);
  sizes.head_dim = derived("head_dim", absent.head_dim, sizes.hidden / sizes.heads);
  const bool follows = sizes.head_dim == sizes.hidden / sizes.heads;
  check<ModelError>(!follows || fields.has("head_dim") || sizes.hidden % sizes.heads == 0,
                    "{}: num_attention_heads: {} does not divide hidden_size {}", fields.where(),
                    sizes.heads, sizes.hidden);
  sizes.vocabulary = fields.size({"vocab_size"}, absent.vocabulary);
  sizes.positions = fields.size({"max_position_embeddings"}, absent.positions);
  return sizes;
}

std::vector<int64_t> layer_windows(const ConfigFields& fields, int64_t layers, int64_t window,
                                   const std::function<bool(int64_t layer)>& slides) {
  std::vector<int64_t> windows;
  const bool listed = fields.has("layer_types");
  const Json types = listed ? fields.json().at("layer_types") : Json();
  check<ModelError>(!listed || (types.is_array() && static_cast<int64_t>(types.size()) == layers),
                    "{}: layer_types: expected a list of {} names", fields.where(), layers);
  for (int64_t i = 0; i < layers; ++i) {
    const Json type = !listed ? Json(slides(i) ? "sliding_attention" : "full_attention") : types[i];
    check<ModelError>(type == "sliding_attention" || type == "full_attention",
                      "{}: layer_types: expected sliding_attention or full_attention, found {}",
                      fields.where(), json_excerpt(type));
    windows.push_back(type == "sliding_attention" ? window : 0);
  }
  return windows;
}

}  // namespace peft
