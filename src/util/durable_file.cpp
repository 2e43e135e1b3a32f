#include "peft/util/durable_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>

#include "peft/util/error.h"
#include "peft/util/temporaries.h"

namespace peft {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse(const fs::path& path, int reason) {
  fail<IoError>("{}: cannot be written: {}", path.string(), std::strerror(reason));
}

/// Opens through the table; a signal may interrupt that on network file systems.
int open_patiently(const char* path, int flags, mode_t mode) {
  int descriptor = -1;
  do {
    descriptor = system_calls().open(path, flags, mode);
  } while (descriptor < 0 && errno == EINTR);
  return descriptor;
}

/// 0 or the reason. Repeated after a signal only: after any other error the kernel may have dropped
/// the pages it could not write, and a second fsync would say that all is well.
int fsync_reason(int descriptor) {
  int status = 0;
  do {
    status = system_calls().fsync(descriptor);
  } while (status != 0 && errno == EINTR);
  return status == 0 ? 0 : errno;
}

/// The folder that holds `path`; "." for a bare name.
fs::path folder_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

/// Makes a rename in this folder survive a power loss.
void sync_folder(const fs::path& folder, const fs::path& for_path) {
  const int descriptor = open_patiently(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  if (descriptor < 0) {
    refuse(for_path, errno);
  }
  const int reason = fsync_reason(descriptor);
  system_calls().close(descriptor);
  // Some network file systems cannot fsync a folder and say EINVAL; there is nothing more to do.
  if (reason != 0 && reason != EINVAL) {
    refuse(for_path, reason);
  }
}

/// A file under a temporary name that disappears unless it was renamed.
class TemporaryFile {
 public:
  explicit TemporaryFile(const fs::path& target) : target_(target), name_(temporary_name(target)) {
    // 0666: the user's umask decides who may read it.
    descriptor_ = open_patiently(name_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor_ < 0) {
      refuse(target_, errno);
    }
  }

  ~TemporaryFile() {
    if (descriptor_ >= 0) {
      calls_.close(descriptor_);
    }
    if (!renamed_) {
      calls_.unlink(name_.c_str());
    }
  }

  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  void append(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const ssize_t count = calls_.write(descriptor_, bytes.data(), bytes.size());
      if (count < 0 && errno == EINTR) {
        continue;
      }
      if (count <= 0) {
        refuse(target_, count < 0 ? errno : ENOSPC);
      }
      bytes = bytes.subspan(static_cast<size_t>(count));
    }
  }

  void finish() {
    if (const int reason = fsync_reason(descriptor_); reason != 0) {
      refuse(target_, reason);
    }
    const int descriptor = descriptor_;
    descriptor_ = -1;  // on Linux the descriptor is gone even when close fails
    if (calls_.close(descriptor) != 0 && errno != EINTR) {
      refuse(target_, errno);
    }
    if (calls_.rename(name_.c_str(), target_.c_str()) != 0) {
      refuse(target_, errno);
    }
    renamed_ = true;
    sync_folder(folder_of(target_), target_);
  }

 private:
  SystemCalls& calls_ = system_calls();
  fs::path target_;
  std::string name_;
  int descriptor_ = -1;
  bool renamed_ = false;
};

/// A folder under a temporary name that disappears unless it was renamed.
class TemporaryFolder {
 public:
  explicit TemporaryFolder(const fs::path& target) : path_(temporary_name(target)) {
    if (system_calls().mkdir(path_.c_str(), 0700) != 0) {
      refuse(target, errno);
    }
  }
  ~TemporaryFolder() { remove_tree(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

/// Gives a folder made with mode 0700 the rights that mkdir would have given it.
void apply_umask(const fs::path& folder) {
  const mode_t mask = ::umask(0);
  ::umask(mask);
  ::chmod(folder.c_str(), 0777 & ~mask);
}

/// Gives a finished folder its name, which nothing has.
void move_into_place(const fs::path& from, const fs::path& path) {
  SystemCalls& calls = system_calls();
  int status = calls.rename_to_absent(from.c_str(), path.c_str());
  if (status != 0 && errno == EINVAL) {  // a file system without the flag
    status = calls.rename(from.c_str(), path.c_str());
  }
  if (status != 0) {
    refuse(path, errno);
  }
}

/// Gives a finished folder the name of another, which gets the finished one's: in one call where
/// the file system can, else with a moment in which there is none.
void swap_into_place(const fs::path& from, const fs::path& path) {
  SystemCalls& calls = system_calls();
  if (calls.exchange(from.c_str(), path.c_str()) == 0) {
    return;
  }
  if (errno != EINVAL && errno != ENOSYS) {
    refuse(path, errno);
  }
  const std::string aside = temporary_name(path);
  if (calls.rename(path.c_str(), aside.c_str()) != 0) {
    refuse(path, errno);
  }
  try {
    move_into_place(from, path);
  } catch (const IoError&) {
    calls.rename(aside.c_str(), path.c_str());
    throw;
  }
  remove_tree(aside);
}

/// "out/" and "out" name the same folder.
fs::path without_trailing_slash(const fs::path& path) {
  return path.has_filename() ? path : path.parent_path();
}

}  // namespace

void write_file(const fs::path& path, const std::function<void(const ByteSink&)>& fill) {
  TemporaryFile file(path);
  fill([&file](std::span<const std::byte> bytes) { file.append(bytes); });
  file.finish();
}

void write_file(const fs::path& path, std::string_view text) {
  write_file(path, [text](const ByteSink& sink) { sink(std::as_bytes(std::span(text))); });
}

void write_folder(const fs::path& where, bool overwrite,
                  const std::function<void(const fs::path&)>& fill) {
  const fs::path path = without_trailing_slash(where);
  const auto check_target = [&] {
    const fs::file_status status = fs::symlink_status(path);
    check<UsageError>(!fs::exists(status) || overwrite,
                      "{}: exists already; choose another folder or give --overwrite",
                      path.string());
    check<UsageError>(!fs::exists(status) || fs::is_directory(status),
                      "{}: exists and is not a folder", path.string());
    return fs::exists(status);
  };
  check_target();
  remove_dead_temporaries_of(path);
  const TemporaryFolder folder(path);
  fill(folder.path());
  apply_umask(folder.path());
  sync_folder(folder.path(), path);
  check_target() ? swap_into_place(folder.path(), path) : move_into_place(folder.path(), path);
  sync_folder(folder_of(path), path);
}

void make_folders(const fs::path& where) {
  const fs::path path = without_trailing_slash(where);
  if (fs::is_directory(path)) {
    return;
  }
  if (path.has_parent_path()) {
    make_folders(path.parent_path());
  }
  if (system_calls().mkdir(path.c_str(), 0777) != 0 && errno != EEXIST) {
    refuse(path, errno);
  }
  sync_folder(folder_of(path), path);
}

void check_room(const fs::path& folder, int64_t bytes) {
  const int64_t free = system_calls().free_bytes(folder.c_str());
  const int64_t needed = bytes + bytes / 5;
  check<IoError>(free < 0 || free >= needed,
                 "{}: {} bytes are needed, the disk has {} left; make room or set "
                 "training.save_total_limit lower",
                 folder.string(), needed, free);
}

}  // namespace peft
