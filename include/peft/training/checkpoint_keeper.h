#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "peft/training/checkpoint.h"

namespace peft {

/// When checkpoints are written and how many stay.
struct KeepOptions {
  std::optional<int64_t> save_steps = std::nullopt;  ///< absent: by time; 0: only when asked
  int64_t total_limit = 2;                           ///< beside the best one; 0: all
};

/// The checkpoints of one run: writes them when due, keeps the last ones and the best, survives
/// saves that fail, and puts the run's logs back to what they were.
class CheckpointKeeper {
 public:
  /// `logs` are names of files in the run folder that grow line by line with the steps.
  CheckpointKeeper(std::filesystem::path run, RunIdentity identity, const KeepOptions& options,
                   std::vector<std::string> logs);

  /// Makes `restore` start from this folder, which has been verified.
  void start_from(const CheckpointFolder& folder) { start_ = folder; }
  /// The checkpoint that the run starts from, or nothing: a run from step 0.
  std::optional<TrainState> restore(Adapter& adapter, Optimizer& optimizer);

  /// Whether save_steps, or the time since the last save, asks for one after this step.
  bool is_due(int64_t step) const;
  /// Writes checkpoint-N unless it is there, then prunes. A disk that refuses costs a warning and
  /// another try at the next save; IoError after three in a row, or at once with `must`.
  void save(TrainState& state, const Adapter& adapter, const Optimizer& optimizer, bool must);
  /// Goes back to the newest checkpoint not after `latest` and removes those behind it. Nothing
  /// when there is none.
  std::optional<TrainState> roll_back(int64_t latest, Adapter& adapter, Optimizer& optimizer);

  const std::filesystem::path& run() const { return run_; }

 private:
  using Clock = std::chrono::steady_clock;

  void measure_logs(TrainState& state) const;
  void prune(int64_t best_step);

  std::filesystem::path run_;
  RunIdentity identity_;
  KeepOptions options_;
  std::vector<std::string> logs_;
  std::optional<CheckpointFolder> start_;
  std::set<int64_t> verified_;  // steps of checkpoints that this process wrote or verified
  int failures_ = 0;
  Clock::time_point last_save_ = Clock::now();
  double save_seconds_ = 0.0;  // of the last one
};

/// Cuts the logs of a run back to the lengths that a state recorded.
void cut_logs(const std::filesystem::path& run, const TrainState& state);

}  // namespace peft
