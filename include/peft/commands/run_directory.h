#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "peft/io/checkpoint_folder.h"
#include "peft/util/json.h"

namespace peft {

/// How a run meets what its folder already holds.
struct RunOptions {
  std::string resume = "auto";                    ///< auto, never, or a checkpoint's folder
  bool overwrite = false;                         ///< with auto or never: start over
  std::vector<std::string> allowed_changes = {};  ///< fields of the config that may differ
  bool dry = false;                               ///< nothing is made, locked or removed
};

/// Where a run stands.
enum class RunPhase { kNew, kUnfinished, kFinished };

/// The folder that a run writes, locked against a second writer while this lives:
/// resolved_config.json at its start, checkpoints on the way, run_report.json at its end.
class RunDirectory {
 public:
  /// Makes and locks the folder. Throws UsageError when `path` exists and is no folder, IoError
  /// when another process trains there.
  RunDirectory(std::filesystem::path path, RunOptions options);
  ~RunDirectory();
  RunDirectory(const RunDirectory&) = delete;
  RunDirectory& operator=(const RunDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }

  /// What the folder holds of a run of this config. Throws UsageError, naming the fields that
  /// differ, if it holds another run, or one that did not end and may not be resumed.
  RunPhase phase(const Json& config) const;
  /// The config that the run in this folder settled on.
  Json settled_config() const;
  /// Steps of the finished run in this folder.
  int64_t finished_steps() const;

  /// The checkpoint to go on from: the newest that verifies, or the one that was asked for; nothing
  /// when the run starts from step 0. Throws IntegrityError if the one asked for does not verify.
  std::optional<CheckpointFolder> starting_point(RunPhase phase) const;

  /// Writes resolved_config.json and brings the folder to the state of `start`, a checkpoint in it:
  /// logs are cut back, later checkpoints removed. Without one, or with one from elsewhere, nothing
  /// of an earlier run stays. `asked` is the config before `auto` values were settled: it tells one
  /// run from another.
  void begin(const Json& asked, const Json& resolved, const Json& origin,
             const std::optional<CheckpointFolder>& start) const;
  /// Writes run_report.json: the mark of a finished run.
  void finish(const Json& report) const;

 private:
  bool asks_for_one() const { return options_.resume != "auto" && options_.resume != "never"; }
  void lock();
  void go_back_to(const CheckpointFolder& start) const;
  void clear() const;

  std::filesystem::path path_;
  RunOptions options_;
  int lock_ = -1;
  bool made_ = false;
};

/// Files of a run folder that grow by lines with the steps; a resume cuts them back.
const std::vector<std::string>& run_logs();

}  // namespace peft
