#include "foreign_config.h"

#include <algorithm>

#include "peft/util/error.h"
#include "peft/util/text.h"
#include "yaml.h"

namespace peft {
namespace {

constexpr size_t kLargestConfig = size_t{1} << 20;
constexpr int kMostReferences = 16;  // in one value, one after another

/// A member's place in a JSON pointer.
std::string pointer_below(const std::string& parent, const std::string& member) {
  std::string pointer = parent + "/";
  for (const char c : member) {
    pointer += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
  }
  return pointer;
}

}  // namespace

ForeignConfig::ForeignConfig(const std::filesystem::path& file) : file_(file) {
  const std::string text = read_text<UsageError>(file, kLargestConfig);
  JsonPositions positions;
  const Json document = file.extension() == ".json"
                            ? parse_json<UsageError>(text, file.string(), {}, &positions)
                            : parse_yaml(text, file.string(), &positions);
  check<UsageError>(document.is_object(), "{}: expected keys and values, found {}", file.string(),
                    json_kind(document));
  flatten(document, positions, "", "");
  resolve_references();
}

void ForeignConfig::flatten(const Json& object, const JsonPositions& positions,
                            const std::string& prefix, const std::string& pointer) {
  for (const auto& [key, value] : object.items()) {
    const std::string place = pointer_below(pointer, key);
    if (value.is_object() && !value.empty()) {
      flatten(value, positions, prefix + key + ".", place);
      continue;
    }
    const auto position = positions.find(place);
    keys_.push_back({prefix + key, value, position == positions.end() ? 0 : position->second.line});
  }
}

void ForeignConfig::resolve_references() {
  for (ForeignKey& key : keys_) {
    for (int i = 0; i < kMostReferences && key.value.is_string(); ++i) {
      const std::string text = key.value.get<std::string>();
      const size_t begin = text.find("${");
      const size_t end = begin == std::string::npos ? begin : text.find('}', begin);
      if (end == std::string::npos) {
        break;
      }
      const Json other = value(text.substr(begin + 2, end - begin - 2));
      const bool whole = begin == 0 && end + 1 == text.size();
      if (!whole && !other.is_string()) {
        break;
      }
      key.value =
          whole ? other
                : Json(text.substr(0, begin) + other.get<std::string>() + text.substr(end + 1));
    }
  }
}

const ForeignKey* ForeignConfig::find(const std::string& name) const {
  const auto found = std::find_if(keys_.begin(), keys_.end(), [&](const ForeignKey& key) {
    return key.name == name && !key.value.is_null();
  });
  return found != keys_.end() ? &*found : nullptr;
}

Json ForeignConfig::value(const std::string& name, Json absent) const {
  const ForeignKey* const key = find(name);
  return key != nullptr ? key->value : absent;
}

}  // namespace peft
