#pragma once

#include <optional>
#include <string>
#include <vector>

#include "peft/models/causal_lm.h"
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
};

/// The selected projections in the checkpoint's order; "all-linear" leaves the head out. Throws
/// UsageError when nothing matches, with the names that are there.
std::vector<NamedLinear> find_targets(const CausalLM& model, const TargetConfig& config);

/// Whether a selection (a list or an expression; not "all-linear") takes the module `path`.
bool selects(const Json& modules, const std::string& path);

/// How PEFT writes "all-linear" in a saved config: full names below 20 targets, last components
/// from there on. Other selections are kept as they are.
Json saved_target_modules(const Json& target_modules, const std::vector<NamedLinear>& targets);

/// The value of the first key of `pattern` (a rank_pattern or alpha_pattern) that matches the
/// module, as PEFT does: `re.match(r"(.*\.)?(KEY)$", path)`.
std::optional<Json> pattern_value(const Json& pattern, const std::string& path);

}  // namespace peft
