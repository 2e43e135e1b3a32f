#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "peft/config/overrides.h"
#include "peft/util/json.h"

namespace peft {

/// A run file with every key that has a meaning here, by its canonical name.
struct ResolvedConfig {
  Json values;  ///< {"model", "adapter", "data", "training"}: every key with its value
  /// "training.seed" -> "run.json:9:17", "--set", "default", "auto: reason",
  /// "DIR/adapter_config.json"
  Json origin;
  std::vector<std::string> notes;  ///< what was overruled, one line each
};

/// Reads a run file and applies overrides; flags win over the file. Throws UsageError with every
/// fault of the run file ("run.json:14:5: training.learing_rate: unknown key; ..."), ModelError for
/// a stored adapter that cannot be read.
ResolvedConfig load_config(const std::filesystem::path& file,
                           const std::vector<Override>& overrides);

/// The same for a document at hand; `file` is its name in messages.
ResolvedConfig resolve_config(const Json& document, const JsonPositions& positions,
                              const std::string& file, const std::vector<Override>& overrides);

}  // namespace peft
