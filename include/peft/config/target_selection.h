#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "peft/util/json.h"

namespace peft {

/// Which projections a config selects, by Hugging Face PEFT's rules.
struct TargetConfig {
  Json target_modules;   ///< "all-linear", a regular expression for whole names, or a list of names
                         ///< and suffixes; null: the architecture's default
  Json exclude_modules;  ///< the same forms, or null
  std::vector<int64_t> layers_to_transform;  ///< empty: all
  std::vector<std::string> layers_pattern;   ///< containers whose number counts; empty: the first

  /// From the fields of an adapter_config.json.
  static TargetConfig from(const Json& adapter);
  /// True for "all-linear": every projection of the blocks and not the head.
  bool is_all_linear() const;
};

/// A config's selection, ready to be asked for many paths.
class TargetSelection {
 public:
  /// Throws UsageError for an expression that does not compile or forms that exclude each other.
  explicit TargetSelection(const TargetConfig& config);
  ~TargetSelection();

  /// Whether the projection `path` is selected. `is_default`: the architecture's default has it.
  bool takes(const std::string& path, bool is_default) const;

 private:
  class Names;
  TargetConfig config_;
  std::unique_ptr<Names> wanted_, excluded_;
};

/// The value of the first key of `pattern` (a rank_pattern or alpha_pattern) that matches the
/// module, as PEFT does: `re.match(r"(.*\.)?(KEY)$", path)`.
std::optional<Json> pattern_value(const Json& pattern, const std::string& path);

}  // namespace peft
