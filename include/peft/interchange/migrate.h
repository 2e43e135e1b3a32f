#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "peft/util/json.h"

namespace peft {

/// Another tool's config as a run file.
struct Migration {
  Json config = {};                       ///< the run file
  std::vector<std::string> changed = {};  ///< "FILE:LINE: KEY: ..." for what does not say the same
  std::vector<std::string> left = {};     ///< the same for what could not be translated
  std::string defaults = {};  ///< the tool's own defaults that were written, on one line
};

/// Names of the tools whose configs can be read: "trl", "axolotl", ...
std::vector<std::string> migration_tools();

/// Translates a config (YAML, or JSON in a file called so). Defaults of the tool that are not ours
/// are written, so that the run means the same. Throws UsageError for a tool we do not know, a file
/// that cannot be read, and, all together, for keys whose meaning cannot be kept or that belong to
/// another tool and mean something else there; the message says what to write.
Migration migrate_config(const std::filesystem::path& file, const std::string& tool);

}  // namespace peft
