#include "calibration.h"

#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <vector>

#include "peft/cli/engine.h"
#include "peft/util/error.h"
#include "peft/util/log.h"
#include "peft/util/temporaries.h"

namespace peft {
namespace {

constexpr int64_t kSteps = 4;  // the first one finds cold caches and is not counted

/// A new folder for temporary files that goes when this does.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "peft-plan-XXXXXX").string();
    check<IoError>(::mkdtemp(name.data()) != nullptr, "{}: cannot be made; is the disk full?",
                   name);
    path_ = name;
  }
  ~TemporaryFolder() { remove_tree(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// The median rate of the steps after the first, or of the only one.
double median_rate(const std::filesystem::path& log) {
  std::vector<double> rates;
  std::ifstream lines(log);
  for (std::string line; std::getline(lines, line);) {
    const Json step = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (step.is_object() && step.contains("tokens_per_second")) {
      rates.push_back(step.at("tokens_per_second").get<double>());
    }
  }
  check<IoError>(!rates.empty(), "{}: holds no step", log.string());
  if (rates.size() > 1) {
    rates.erase(rates.begin());
  }
  std::sort(rates.begin(), rates.end());
  return rates[rates.size() / 2];
}

}  // namespace

Calibration calibrate(Json config, const Json& origin, int64_t total_steps,
                      const std::string& device, int64_t threads) {
  const TemporaryFolder folder;
  const std::filesystem::path out = folder.path() / "out";
  Calibration result;
  result.steps = std::min(kSteps, total_steps);
  if (Json& adapter = config["adapter"]; adapter.value("total_step", Json(0)).is_null()) {
    adapter["total_step"] = total_steps;  // a schedule of its own is as long as the whole run
  }
  Json& training = config["training"];
  training["max_steps"] = result.steps;
  training["output_dir"] = out.string();
  training["resume_from_checkpoint"] = "never";
  training["save_steps"] = 0;
  config["data"]["eval"] = nullptr;
  config["data"]["eval_split_ratio"] = 0.0;
  log_info("training {} steps to see how long the run takes", result.steps);
  result.exit_code = run_engine("train", {{"config", config},
                                          {"origin", origin},
                                          {"config_file", "calibration"},
                                          {"device", device},
                                          {"threads", threads},
                                          {"overwrite", false},
                                          {"dry_run", false},
                                          {"allow_changed", Json::array()},
                                          {"progress", false},
                                          {"terminal", false},
                                          {"version", PEFT_VERSION}});
  if (result.exit_code == 0) {
    result.tokens_per_second = median_rate(out / "train_log.jsonl");
  }
  return result;
}

}  // namespace peft
