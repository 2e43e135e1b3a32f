#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

namespace peft {

/// Lines for a person, on stderr. A warning is also counted and kept for the run's report.
void write_info(const std::string& line);
void write_warning(const std::string& line);

/// Every warning of this process so far, oldest first.
std::vector<std::string> warnings();

template <class... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
  write_info(fmt::format(format, std::forward<Args>(args)...));
}

template <class... Args>
void log_warning(fmt::format_string<Args...> format, Args&&... args) {
  write_warning(fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace peft
