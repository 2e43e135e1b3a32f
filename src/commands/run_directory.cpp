#include "peft/commands/run_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "peft/training/checkpoint_keeper.h"
#include "peft/util/durable_file.h"
#include "peft/util/log.h"
#include "peft/util/temporaries.h"

namespace peft {
namespace {

namespace fs = std::filesystem;

constexpr const char* kConfig = "resolved_config.json";
constexpr const char* kReport = "run_report.json";

/// A checkpoint's folder, or the newest one of a run's folder.
CheckpointFolder checkpoint_at(const fs::path& folder) {
  if (!checkpoint_step(folder) && !list_checkpoints(folder).empty()) {
    const auto newest = newest_checkpoint(folder);
    check<IntegrityError>(newest.has_value(), "{}: no checkpoint in it verifies", folder.string());
    return *newest;
  }
  return {verify_checkpoint(folder).step, folder};
}

}  // namespace

const std::vector<std::string>& run_logs() {
  static const std::vector<std::string> names = {"train_log.jsonl", "train_log.csv", "steps.jsonl"};
  return names;
}

RunDirectory::RunDirectory(fs::path path, RunOptions options)
    : path_(std::move(path)), options_(std::move(options)) {
  check<UsageError>(!fs::exists(path_) || fs::is_directory(path_),
                    "training.output_dir: {} is not a folder", path_.string());
  if (!options_.dry) {
    made_ = !fs::exists(path_);
    make_folders(path_);
    lock();
    remove_dead_temporaries(path_);
  }
}

RunDirectory::~RunDirectory() {
  if (made_) {
    ::rmdir(path_.c_str());  // fails, as it should, when there is something in it
  }
  if (lock_ >= 0) {
    ::close(lock_);
  }
}

void RunDirectory::lock() {
  lock_ = ::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  check<IoError>(lock_ >= 0, "{}: {}", path_.string(), std::strerror(errno));
  if (::flock(lock_, LOCK_EX | LOCK_NB) == 0) {
    return;
  }
  check<IoError>(
      errno != EWOULDBLOCK,
      "training.output_dir: another process trains in {}; wait for it, or choose another "
      "folder",
      path_.string());
  log_warning("{}: cannot be locked ({}); do not start a second run in it", path_.string(),
              std::strerror(errno));
}

RunPhase RunDirectory::phase(const Json& config) const {
  if ((options_.overwrite && !asks_for_one()) || !fs::exists(path_ / kConfig)) {
    return RunPhase::kNew;
  }
  const Json found = read_json<UsageError>(path_ / kConfig, {.bytes = size_t{16} << 20});
  const std::vector<std::string> changed = changed_fields(
      effective_config(found.value("asked", Json::object())), effective_config(config), {});
  const std::vector<std::string> refused =
      changed_fields(effective_config(found.value("asked", Json::object())),
                     effective_config(config), options_.allowed_changes);
  check<UsageError>(refused.empty(),
                    "training.output_dir: {} holds another run, with another {}; choose another "
                    "folder, or give --overwrite to start over, or --allow-changed={} to go on",
                    path_.string(), fmt::join(refused, ", "),
                    refused.empty() ? "" : refused.front());
  if (fs::exists(path_ / kReport) && changed.empty() && !asks_for_one()) {
    return RunPhase::kFinished;
  }
  check<UsageError>(
      options_.resume != "never",
      "training.output_dir: {} holds a run that did not end; leave --resume out to go "
      "on, or give --overwrite to start it again",
      path_.string());
  return RunPhase::kUnfinished;
}

Json RunDirectory::settled_config() const {
  return read_json<UsageError>(path_ / kConfig, {.bytes = size_t{64} << 20})
      .value("config", Json::object());
}

int64_t RunDirectory::finished_steps() const {
  return read_json<UsageError>(path_ / kReport, {.bytes = size_t{64} << 20})
      .value("steps", int64_t{0});
}

std::optional<CheckpointFolder> RunDirectory::starting_point(RunPhase phase) const {
  if (asks_for_one()) {
    return checkpoint_at(options_.resume);
  }
  if (phase != RunPhase::kUnfinished) {
    return std::nullopt;
  }
  const auto newest = newest_checkpoint(path_);
  if (!newest) {
    log_info("{}: no checkpoint to go on from, the run starts at step 0", path_.string());
  }
  return newest;
}

void RunDirectory::begin(const Json& asked, const Json& resolved, const Json& origin,
                         const std::optional<CheckpointFolder>& start) const {
  std::error_code ignored;
  fs::remove(path_ / kReport, ignored);
  const bool is_here =
      start && fs::equivalent(start->path, checkpoint_path(path_, start->step), ignored);
  is_here ? go_back_to(*start) : clear();
  const Json document = {{"config", resolved}, {"origin", origin}, {"asked", asked}};
  write_file(path_ / kConfig, document.dump(2) + "\n");
}

/// A later checkpoint is of another course of events, or does not verify.
void RunDirectory::go_back_to(const CheckpointFolder& start) const {
  for (const CheckpointFolder& later : list_checkpoints(path_)) {
    if (later.step > start.step) {
      remove_folder(later.path);
    }
  }
  cut_logs(path_, read_state(start.path));
}

void RunDirectory::clear() const {
  std::error_code ignored;
  for (const CheckpointFolder& old : list_checkpoints(path_)) {
    remove_folder(old.path);
  }
  for (const char* stale : {"adapter_model.safetensors", "adapter.safetensors",
                            "adapter_config.json", "adapter_interface.json", "chat_template.jinja",
                            "model_head.safetensors", "head_config.json", "labels.json"}) {
    fs::remove(path_ / stale, ignored);
  }
  for (const std::string& log : run_logs()) {
    fs::remove(path_ / log, ignored);
  }
}

void RunDirectory::finish(const Json& report) const {
  write_file(path_ / kReport, report.dump(2) + "\n");
}

}  // namespace peft
