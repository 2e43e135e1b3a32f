#pragma once

#include <filesystem>

#include "peft/util/json.h"

namespace peft {

/// The folder that a run writes: resolved_config.json at its start, run_report.json at its end.
class RunDirectory {
 public:
  /// Throws UsageError when `path` exists and is no folder.
  RunDirectory(std::filesystem::path path, bool overwrite);

  const std::filesystem::path& path() const { return path_; }

  /// True if a run of this very config has ended here. Throws UsageError if the folder holds
  /// another run, or one that did not end, unless it may be overwritten.
  bool is_finished(const Json& config) const;

  /// Makes the folder, removes what an overwritten run left, and writes resolved_config.json.
  /// `asked` is the config before `auto` values were settled: it tells one run from another.
  void begin(const Json& asked, const Json& resolved, const Json& origin) const;
  /// Writes run_report.json: the mark of a finished run.
  void finish(const Json& report) const;

 private:
  std::filesystem::path path_;
  bool overwrite_;
};

}  // namespace peft
