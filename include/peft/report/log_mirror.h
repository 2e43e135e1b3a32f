#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "peft/report/event_file.h"
#include "peft/util/json.h"

namespace peft {

/// The lines of train_log.jsonl once more, as others read them: train_log.csv and a TensorBoard
/// event file. A mirror that cannot be written costs one warning and never the run.
class LogMirror {
 public:
  /// `report_to`: a list with "csv", "tensorboard" or neither. A run that `goes_on` adds to the
  /// CSV; else older event files are removed. Throws IoError when a file cannot be made.
  LogMirror(const std::filesystem::path& folder, const Json& report_to, bool goes_on);

  /// A step's or an evaluation's line.
  void write(const Json& line);

 private:
  void write_csv(const Json& line);

  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::filesystem::path csv_path_;
  std::unique_ptr<std::FILE, Close> csv_;
  std::vector<std::string> columns_;  // known from the first line on
  std::unique_ptr<EventFile> events_;
  bool warned_ = false;
};

}  // namespace peft
