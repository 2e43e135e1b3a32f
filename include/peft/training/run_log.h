#pragma once

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "peft/util/json.h"

namespace peft {

/// train_log.jsonl: one object per line, flushed at once, so that a reader sees every finished
/// step. A log that cannot be written costs one warning and never the run.
class RunLog {
 public:
  /// Writes on at the end of the file, or starts it. Throws IoError when it cannot be created.
  explicit RunLog(const std::filesystem::path& file);
  void write(const Json& line);

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::unique_ptr<std::FILE, Close> file_;
  std::filesystem::path path_;
  bool warned_ = false;
};

/// A number as JSON. One that is not finite becomes the string "NaN", "Infinity" or "-Infinity": it
/// stays visible and the line stays JSON.
Json json_number(double value);

/// Largest resident size of this process so far, in bytes (on a GPU, `device_memory` is the truth).
int64_t peak_resident_bytes();

}  // namespace peft
