#pragma once

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace peft {

/// A TensorBoard event file: scalars by tag and step, each record framed and checksummed (TFRecord)
/// and flushed at once. A file that cannot be written costs one warning and never the run.
class EventFile {
 public:
  using Scalars = std::vector<std::pair<std::string, double>>;  ///< tag, value

  /// Starts "events.out.tfevents.SECONDS.peft" in `folder`. Throws IoError when it cannot be made.
  EventFile(const std::filesystem::path& folder, double now);

  /// All values of one step; `now` in seconds since 1970.
  void write(int64_t step, const Scalars& scalars, double now);

  const std::filesystem::path& path() const { return path_; }

 private:
  void append(std::string_view event);

  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::filesystem::path path_;
  std::unique_ptr<std::FILE, Close> file_;
  bool warned_ = false;
};

/// CRC-32C (Castagnoli), the checksum of RFC 3720.
uint32_t crc32c(std::string_view bytes);

/// Seconds since 1970.
double seconds_now();

}  // namespace peft
