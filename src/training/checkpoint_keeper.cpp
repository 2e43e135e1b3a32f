#include "peft/training/checkpoint_keeper.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "peft/util/log.h"
#include "peft/util/temporaries.h"

namespace peft {
namespace {

constexpr double kSecondsAtRisk = 900.0;  // save_steps "auto": work that a crash may cost
constexpr double kMostSaving = 0.01;      // and the share of time that saving may take
constexpr int kMostFailures = 3;
constexpr size_t kFewestKept = 2;

double seconds_between(std::chrono::steady_clock::time_point a,
                       std::chrono::steady_clock::time_point b) {
  return std::chrono::duration<double>(b - a).count();
}

/// A log's bytes must not be younger than the checkpoint that counts them.
void sync_file(const std::filesystem::path& file) {
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor >= 0) {
    ::fsync(descriptor);
    ::close(descriptor);
  }
}

}  // namespace

void cut_logs(const std::filesystem::path& run, const TrainState& state) {
  for (const auto& [name, bytes] : state.log_bytes) {
    const std::filesystem::path file = run / std::filesystem::path(name).filename();
    std::error_code problem;
    const auto found = static_cast<int64_t>(std::filesystem::file_size(file, problem));
    if (problem || found < bytes) {
      log_warning("{}: expected {} bytes up to step {}, found {}; its older lines are lost",
                  file.string(), bytes, state.step, problem ? 0 : found);
    } else {
      std::filesystem::resize_file(file, static_cast<uintmax_t>(bytes), problem);
    }
  }
}

CheckpointKeeper::CheckpointKeeper(std::filesystem::path run, RunIdentity identity,
                                   const KeepOptions& options, std::vector<std::string> logs)
    : run_(std::move(run)),
      identity_(std::move(identity)),
      options_(options),
      logs_(std::move(logs)) {}

std::optional<TrainState> CheckpointKeeper::restore(Adapter& adapter, Optimizer& optimizer) {
  if (!start_) {
    return std::nullopt;
  }
  if (start_->path.lexically_normal() == checkpoint_path(run_, start_->step).lexically_normal()) {
    verified_.insert(start_->step);
  }
  return restore_checkpoint(start_->path, adapter, optimizer);
}

bool CheckpointKeeper::is_due(int64_t step) const {
  if (options_.save_steps) {
    return *options_.save_steps > 0 && step % *options_.save_steps == 0;
  }
  const double since = seconds_between(last_save_, Clock::now());
  return since >= std::max(kSecondsAtRisk, save_seconds_ / kMostSaving);
}

void CheckpointKeeper::save(TrainState& state, const Adapter& adapter, const Optimizer& optimizer,
                            bool must) {
  if (verified_.count(state.step) > 0) {
    return;
  }
  const Clock::time_point start = Clock::now();
  try {
    measure_logs(state);
    write_checkpoint(run_, state, adapter, optimizer, identity_);
  } catch (const IoError& error) {
    if (must || ++failures_ >= kMostFailures) {
      throw;
    }
    log_warning("no checkpoint at step {}: {}; training goes on and the next save tries again",
                state.step, error.what());
    return;
  }
  failures_ = 0;
  verified_.insert(state.step);
  prune(state.selection.best ? state.selection.best_step : -1);
  last_save_ = Clock::now();
  save_seconds_ = seconds_between(start, last_save_);
}

std::optional<TrainState> CheckpointKeeper::roll_back(int64_t latest, Adapter& adapter,
                                                      Optimizer& optimizer) {
  const std::optional<CheckpointFolder> target = newest_checkpoint(run_, latest);
  if (!target) {
    return std::nullopt;
  }
  for (const CheckpointFolder& found : list_checkpoints(run_)) {
    if (found.step > target->step) {
      verified_.erase(found.step);
      remove_folder(found.path);
    }
  }
  verified_.insert(target->step);
  TrainState state = restore_checkpoint(target->path, adapter, optimizer);
  cut_logs(run_, state);
  return state;
}

void CheckpointKeeper::measure_logs(TrainState& state) const {
  for (const std::string& name : logs_) {
    std::error_code absent;
    const uintmax_t bytes = std::filesystem::file_size(run_ / name, absent);
    if (!absent) {
      sync_file(run_ / name);
      state.log_bytes[name] = static_cast<int64_t>(bytes);
    }
  }
}

/// Removes what is older than the last `total_limit` and is not the best, but only once two that
/// verify stay behind.
void CheckpointKeeper::prune(int64_t best_step) {
  if (options_.total_limit == 0) {
    return;
  }
  const size_t limit = std::max(static_cast<size_t>(options_.total_limit), kFewestKept);
  size_t kept = 0;
  for (const CheckpointFolder& found : list_checkpoints(run_)) {
    if (kept >= limit && found.step != best_step) {
      verified_.erase(found.step);
      remove_folder(found.path);
      continue;
    }
    if (verified_.count(found.step) == 0) {
      try {
        verify_checkpoint(found.path);
        verified_.insert(found.step);
      } catch (const IntegrityError& fault) {
        log_warning("{} does not count as a checkpoint: {}", found.path.filename().string(),
                    fault.what());
      }
    }
    kept += verified_.count(found.step);
  }
}

}  // namespace peft
