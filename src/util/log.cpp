#include "peft/util/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdlib>
#include <mutex>

namespace peft {
namespace {

struct Kept {
  std::mutex mutex;
  std::vector<std::string> warnings;
};

Kept& kept() {
  static Kept instance;
  return instance;
}

spdlog::logger& logger() {
  static const std::shared_ptr<spdlog::logger> instance = [] {
    const auto mode = std::getenv("NO_COLOR") != nullptr ? spdlog::color_mode::never
                                                         : spdlog::color_mode::automatic;
    auto created = std::make_shared<spdlog::logger>(
        "peft", std::make_shared<spdlog::sinks::stderr_color_sink_mt>(mode));
    created->set_pattern("%v");
    return created;
  }();
  return *instance;
}

}  // namespace

void write_info(const std::string& line) {
  logger().info("{}", line);
}

void write_warning(const std::string& line) {
  {
    const std::lock_guard lock(kept().mutex);
    kept().warnings.push_back(line);
  }
  logger().warn("peft: warning: {}", line);
}

std::vector<std::string> warnings() {
  const std::lock_guard lock(kept().mutex);
  return kept().warnings;
}

}  // namespace peft
