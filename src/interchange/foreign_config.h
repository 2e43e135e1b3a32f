#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "peft/util/json.h"

namespace peft {

/// One key of another tool's config. Nested objects are dotted ("optimizer.lr"); a list is one
/// value.
struct ForeignKey {
  std::string name;
  Json value;
  int64_t line = 0;  ///< from 1
};

/// Another tool's config, key by key in the file's order.
class ForeignConfig {
 public:
  /// Reads JSON (".json") or YAML. Numbers without a dot, such as 1e-4, are numbers in YAML, too,
  /// as every tool takes them. Throws UsageError that names the file and the line.
  explicit ForeignConfig(const std::filesystem::path& file);

  const std::filesystem::path& file() const { return file_; }
  const std::vector<ForeignKey>& keys() const { return keys_; }
  /// A key that is there and not null, or null.
  const ForeignKey* find(const std::string& name) const;
  /// Its value, or `absent`.
  Json value(const std::string& name, Json absent = nullptr) const;

 private:
  void flatten(const Json& object, const JsonPositions& positions, const std::string& prefix,
               const std::string& pointer);
  /// Puts other keys' values for "${name}", as OmegaConf does.
  void resolve_references();

  std::filesystem::path file_;
  std::vector<ForeignKey> keys_;
};

}  // namespace peft
