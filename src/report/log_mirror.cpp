#include "peft/report/log_mirror.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "peft/report/log_lines.h"
#include "peft/util/log.h"

namespace peft {
namespace {

namespace fs = std::filesystem;

bool names(const Json& report_to, const char* what) {
  return report_to.is_array() &&
         std::find(report_to.begin(), report_to.end(), what) != report_to.end();
}

void remove_event_files(const fs::path& folder) {
  std::error_code problem;
  std::vector<fs::path> old;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, problem)) {
    const std::string name = entry.path().filename();
    if (name.starts_with("events.out.tfevents.") && name.ends_with(".peft")) {
      old.push_back(entry.path());
    }
  }
  for (const fs::path& file : old) {
    fs::remove(file, problem);
  }
}

}  // namespace

LogMirror::LogMirror(const fs::path& folder, const Json& report_to, bool goes_on) {
  if (!goes_on) {
    remove_event_files(folder);
  }
  if (names(report_to, "csv")) {
    csv_path_ = folder / "train_log.csv";
    csv_.reset(std::fopen(csv_path_.c_str(), goes_on ? "ae" : "we"));
    check<IoError>(csv_ != nullptr, "{}: {}", csv_path_.string(), std::strerror(errno));
  }
  if (names(report_to, "tensorboard")) {
    events_ = std::make_unique<EventFile>(folder, seconds_now());
  }
}

void LogMirror::write(const Json& line) {
  if (csv_ != nullptr) {
    write_csv(line);
  }
  if (events_ != nullptr) {
    events_->write(line.value("step", int64_t{0}), event_scalars(line), seconds_now());
  }
}

void LogMirror::write_csv(const Json& line) {
  std::string text;
  if (columns_.empty()) {
    columns_ = csv_columns(line);
    std::error_code unreadable;
    if (fs::file_size(csv_path_, unreadable) == 0) {
      text = csv_header(columns_);
    }
  }
  text += csv_line(line, columns_);
  const bool written = std::fwrite(text.data(), 1, text.size(), csv_.get()) == text.size() &&
                       std::fflush(csv_.get()) == 0;
  if (!written && !warned_) {
    warned_ = true;
    log_warning("{}: {}; training goes on without it", csv_path_.string(), std::strerror(errno));
  }
}

}  // namespace peft
