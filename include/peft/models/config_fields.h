#pragma once

#include <cmath>
#include <cstdint>
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
  bool flag(const char* key, bool otherwise) const;
  std::string text(const char* key, const std::string& otherwise) const;

 private:
  const Json& json_;
  std::string where_;
};

}  // namespace peft
