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

}  // namespace peft
