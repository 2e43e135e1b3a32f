#include "peft/training/run_log.h"

#include <sys/resource.h>

#include <cerrno>
#include <cmath>
#include <cstring>

#include "peft/util/log.h"

namespace peft {

RunLog::RunLog(const std::filesystem::path& file)
    : file_(std::fopen(file.c_str(), "ae")), path_(file) {
  check<IoError>(file_ != nullptr, "{}: {}", file.string(), std::strerror(errno));
}

void RunLog::write(const Json& line) {
  const std::string text = line.dump() + "\n";
  const bool written = std::fwrite(text.data(), 1, text.size(), file_.get()) == text.size() &&
                       std::fflush(file_.get()) == 0;
  if (!written && !warned_) {
    warned_ = true;
    log_warning("{}: {}; training goes on without it", path_.string(), std::strerror(errno));
  }
}

Json json_number(double value) {
  if (std::isnan(value)) {
    return "NaN";
  }
  if (std::isinf(value)) {
    return value > 0.0 ? "Infinity" : "-Infinity";
  }
  return value;
}

int64_t peak_resident_bytes() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return int64_t{usage.ru_maxrss} * 1024;
}

}  // namespace peft
