#include "peft/util/temporaries.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <optional>
#include <random>
#include <string_view>
#include <system_error>
#include <vector>

#include "peft/util/system_calls.h"

namespace peft {
namespace {

constexpr std::string_view kMark = ".tmp-";

/// The process that a temporary name speaks of.
std::optional<pid_t> owner_of(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  const size_t mark = name.rfind(kMark);
  if (mark == std::string::npos || mark == 0) {
    return std::nullopt;
  }
  const char* const begin = name.data() + mark + kMark.size();
  const char* const end = name.data() + name.size();
  pid_t process = 0;
  const auto number = std::from_chars(begin, end, process);
  const bool random = number.ptr != end && *number.ptr == '-' && end - number.ptr == 9 &&
                      std::string_view(number.ptr + 1, end).find_first_not_of("0123456789abcdef") ==
                          std::string_view::npos;
  return number.ec == std::errc() && process > 0 && random ? std::optional(process) : std::nullopt;
}

/// True for a temporary whose process is no more, or is this one, which has no other begun.
bool is_dead(const std::filesystem::path& path) {
  const auto owner = owner_of(path);
  return owner && (*owner == ::getpid() || (::kill(*owner, 0) != 0 && errno == ESRCH));
}

std::vector<std::filesystem::path> entries_of(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> entries;
  std::error_code unreadable;
  for (std::filesystem::directory_iterator entry(folder, unreadable), end; entry != end;
       entry.increment(unreadable)) {
    entries.push_back(entry->path());
  }
  return entries;
}

}  // namespace

std::string temporary_name(const std::filesystem::path& path) {
  std::random_device random;
  return fmt::format("{}{}{}-{:08x}", path.string(), kMark, ::getpid(), random());
}

bool is_temporary(const std::filesystem::path& path) {
  return owner_of(path).has_value();
}

void remove_tree(const std::filesystem::path& path) {
  std::error_code missing;
  if (std::filesystem::is_directory(std::filesystem::symlink_status(path, missing))) {
    for (const std::filesystem::path& entry : entries_of(path)) {
      remove_tree(entry);
    }
    system_calls().rmdir(path.c_str());
  } else {
    system_calls().unlink(path.c_str());
  }
}

void remove_folder(const std::filesystem::path& path) {
  const std::string aside = temporary_name(path);
  if (system_calls().rename(path.c_str(), aside.c_str()) == 0) {
    remove_tree(aside);
  }
}

void remove_dead_temporaries(const std::filesystem::path& folder) {
  for (const std::filesystem::path& entry : entries_of(folder)) {
    if (is_dead(entry)) {
      remove_tree(entry);
    }
  }
}

void remove_dead_temporaries_of(const std::filesystem::path& path) {
  const std::string begin = path.filename().string() + std::string(kMark);
  const std::filesystem::path folder = path.parent_path();
  for (const std::filesystem::path& entry : entries_of(folder.empty() ? "." : folder)) {
    if (entry.filename().string().starts_with(begin) && is_dead(entry)) {
      remove_tree(entry);
    }
  }
}

}  // namespace peft
