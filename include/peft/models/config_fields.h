#pragma once

#include <cmath>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "peft/util/json.h"

namespace peft {

/// Reads the fields of a checkpoint's config.json that an architecture uses. Absent and null fields
/// take the class default, as in transformers; other fields are left alone. Throws ModelError.
class ConfigFields {
 public:
  ConfigFields(const Json& json, std::string where) : json_(json), where_(std::move(where)) {}

  const std::string& where() const { return where_; }
  const Json& json() const { return json_; }
  bool has(const char* key) const { return json_.contains(key) && !json_.at(key).is_null(); }

  /// A size of at least one, under the first of `keys` that is present.
  int64_t size(std::vector<const char*> keys, int64_t otherwise) const;
  double epsilon(const char* key, double otherwise) const;
  /// A positive number; null and absent are `otherwise`.
  double number(const char* key, double otherwise) const;
  bool flag(const char* key, bool otherwise) const;
  std::string text(const char* key, const std::string& otherwise) const;

 private:
  const Json& json_;
  std::string where_;
};

/// Sizes that every decoder has.
struct DecoderSizes {
  int64_t hidden = 0;  ///< D
  int64_t mlp = 0;     ///< F
  int64_t layers = 0;
  int64_t heads = 0;       ///< H
  int64_t kv_heads = 0;    ///< Hkv
  int64_t head_dim = 0;    ///< Dh
  int64_t vocabulary = 0;  ///< V
  int64_t positions = 0;
};

/// Reads them under the usual keys (hidden_size, ...). `absent`: what the class takes for a key
/// that is not there; 0 means that the key is needed, or that the size follows from the others: Hkv
/// = H, Dh = D / H.
DecoderSizes read_sizes(const ConfigFields& fields, const DecoderSizes& absent);

/// The sliding window of every layer, 0 where a layer sees everything: by `layer_types` where that
/// is written, else by `slides(layer)`. Throws ModelError for a layer type we do not know.
std::vector<int64_t> layer_windows(const ConfigFields& fields, int64_t layers, int64_t window,
                                   const std::function<bool(int64_t layer)>& slides);

}  // namespace peft
