#include "peft/commands/run_directory.h"

#include "peft/util/durable_file.h"

namespace peft {
namespace {

constexpr const char* kConfig = "resolved_config.json";
constexpr const char* kReport = "run_report.json";

}  // namespace

RunDirectory::RunDirectory(std::filesystem::path path, bool overwrite)
    : path_(std::move(path)), overwrite_(overwrite) {
  check<UsageError>(!std::filesystem::exists(path_) || std::filesystem::is_directory(path_),
                    "training.output_dir: {} is not a folder", path_.string());
}

bool RunDirectory::is_finished(const Json& config) const {
  if (overwrite_ || !std::filesystem::exists(path_ / kConfig)) {
    return false;
  }
  const Json found = read_json<UsageError>(path_ / kConfig, {.bytes = size_t{16} << 20});
  check<UsageError>(found.value("asked", Json()) == config,
                    "training.output_dir: {} holds another run; choose another folder or give "
                    "--overwrite",
                    path_.string());
  check<UsageError>(std::filesystem::exists(path_ / kReport),
                    "training.output_dir: {} holds a run that did not end; give --overwrite to "
                    "start it again",
                    path_.string());
  return true;
}

void RunDirectory::begin(const Json& asked, const Json& resolved, const Json& origin) const {
  std::error_code problem;
  std::filesystem::create_directories(path_, problem);
  check<IoError>(!problem, "{}: {}", path_.string(), problem.message());
  for (const char* stale :
       {kReport, "adapter_model.safetensors", "adapter_config.json", "train_log.jsonl"}) {
    std::filesystem::remove(path_ / stale, problem);
  }
  const Json document = {{"config", resolved}, {"origin", origin}, {"asked", asked}};
  write_file(path_ / kConfig, document.dump(2) + "\n");
}

void RunDirectory::finish(const Json& report) const {
  write_file(path_ / kReport, report.dump(2) + "\n");
}

}  // namespace peft
