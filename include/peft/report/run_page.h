#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>

#include "peft/util/json.h"

namespace peft {

/// Writes report.html into a run's folder: one file that needs nothing else, to be looked at or
/// sent to a colleague. Reads resolved_config.json and train_log.jsonl there. `facts` is what
/// run_report.json holds at the end, or as much of it as is known: "data" with the rows under
/// "sample", "plan", "warnings", totals. Throws IoError.
void write_run_page(const std::filesystem::path& folder, const Json& facts);

/// A run's page while it runs: a failure to write it costs a warning and never the run.
class RunPage {
 public:
  explicit RunPage(std::filesystem::path folder) : folder_(std::move(folder)) {}

  /// Writes the page unless it was written less than a minute ago.
  void refresh(const Json& facts);
  /// Writes the page.
  void finish(const Json& facts);

 private:
  std::filesystem::path folder_;
  std::optional<std::chrono::steady_clock::time_point> written_;
};

/// The page itself. `resolved`: resolved_config.json; `log`: a list of train_log.jsonl's lines.
std::string run_page(const Json& resolved, const Json& log, const Json& facts);

}  // namespace peft
