#include "peft/util/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

#include "peft/util/error.h"

namespace peft {
namespace {

using Clock = std::chrono::steady_clock;

/// A file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() { close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int number() const { return number_; }
  void close() {
    if (number_ >= 0) {
      ::close(std::exchange(number_, -1));
    }
  }

 private:
  int number_;
};

/// The same file under a number that the child's 0, 1 and 2 do not overwrite.
Descriptor above_standard(int descriptor, const std::string& program) {
  const int copy = ::fcntl(descriptor, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  check<IoError>(copy >= 0, "{}: cannot be started: {}", program, std::strerror(errno));
  return Descriptor(copy);
}

/// What posix_spawn does in the child before the program starts.
class SpawnPlan {
 public:
  SpawnPlan(int input, int output) {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawn_file_actions_adddup2(&actions_, input, STDIN_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions_, output, STDOUT_FILENO);
    ::posix_spawn_file_actions_addopen(&actions_, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    ::posix_spawnattr_init(&attributes_);
    ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETPGROUP);
    ::posix_spawnattr_setpgroup(&attributes_, 0);
  }
  ~SpawnPlan() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  pid_t start(const std::vector<std::string>& command) const {
    std::vector<char*> arguments;
    for (const std::string& word : command) {
      arguments.push_back(const_cast<char*>(word.c_str()));
    }
    arguments.push_back(nullptr);
    pid_t child = -1;
    const int error = ::posix_spawn(&child, command.front().c_str(), &actions_, &attributes_,
                                    arguments.data(), environ);
    check<IoError>(error == 0, "{}: cannot be started: {}", command.front(), std::strerror(error));
    return child;
  }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

/// Milliseconds until `end`, not negative.
int left_until(Clock::time_point end) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
  return static_cast<int>(std::max<int64_t>(left.count(), 0));
}

/// Collects what the child writes until it closes its end.
void collect(int output, const ChildLimits& limits, ChildResult& result) {
  const Clock::time_point end = Clock::now() + limits.time;
  std::array<char, 65536> block{};
  while (true) {
    pollfd ready{output, POLLIN, 0};
    const int count = ::poll(&ready, 1, left_until(end));
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count <= 0) {
      result.end = ChildResult::End::kTookTooLong;
      return;
    }
    const ssize_t got = ::read(output, block.data(), block.size());
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got <= 0) {
      return;
    }
    if (static_cast<size_t>(got) > limits.output_bytes - result.output.size()) {
      result.end = ChildResult::End::kSaidTooMuch;
      return;
    }
    result.output.append(block.data(), static_cast<size_t>(got));
  }
}

int wait_for(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) {
      return 0;  // whoever started this process has its children reaped: their codes are unknown
    }
  }
  return status;
}

}  // namespace

ChildResult run_child(const std::vector<std::string>& command, int input,
                      const ChildLimits& limits) {
  std::array<int, 2> ends{};
  check<IoError>(::pipe2(ends.data(), O_CLOEXEC) == 0, "{}: cannot be started: {}", command.front(),
                 std::strerror(errno));
  const Descriptor from_child(ends[0]);
  Descriptor to_parent(ends[1]);
  pid_t child = -1;
  {
    const Descriptor child_input = above_standard(input, command.front());
    const Descriptor child_output = above_standard(to_parent.number(), command.front());
    to_parent.close();
    child = SpawnPlan(child_input.number(), child_output.number()).start(command);
  }
  ChildResult result;
  try {
    collect(from_child.number(), limits, result);
  } catch (...) {
    ::kill(child, SIGKILL);
    wait_for(child);
    throw;
  }
  // One that has exited keeps its code; one that closed its output and stays is not waited for.
  ::kill(child, SIGKILL);
  const int status = wait_for(child);
  if (result.end == ChildResult::End::kExited) {
    result.end = WIFSIGNALED(status) ? ChildResult::End::kSignalled : ChildResult::End::kExited;
    result.code = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
  }
  return result;
}

}  // namespace peft
