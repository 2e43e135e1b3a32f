#include "peft/util/containment.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string_view>

#include "io/temporary_directory.h"

namespace peft {
namespace {

constexpr ContainmentLimits kTestLimits{.memory_bytes = uint64_t{1} << 30, .cpu_seconds = 60};

/// Runs `attempt` in a contained process; that process exits with 0 if the attempt was in vain.
template <class Attempt>
void expect_in_vain(Attempt attempt) {
  const auto contained = [&] {
    contain_this_process(kTestLimits);
    ::_exit(attempt() ? 1 : 0);
  };
  EXPECT_EXIT(contained(), testing::ExitedWithCode(0), "");
}

TEST(Containment, LetsBytesOfOpenFilesBeReadAndWritten) {
  const auto contained = [] {
    std::array<int, 2> ends{};
    const bool made = ::pipe(ends.data()) == 0;
    ::dup2(ends[0], STDIN_FILENO);
    ::dup2(ends[1], STDOUT_FILENO);
    contain_this_process(kTestLimits);
    std::string text(100'000, 'x');  // allocates
    const bool moved = ::write(STDOUT_FILENO, text.data(), 5) == 5 &&
                       ::read(STDIN_FILENO, text.data(), text.size()) == 5;
    ::_exit(made && moved ? 0 : 1);
  };
  EXPECT_EXIT(contained(), testing::ExitedWithCode(0), "");
}

TEST(Containment, OpensNoFile) {
  expect_in_vain([] { return ::open("/dev/null", O_RDONLY) >= 0; });
  expect_in_vain([] { return ::open("/tmp/peft-contained", O_WRONLY | O_CREAT, 0600) >= 0; });
}

TEST(Containment, HasNoNetwork) {
  expect_in_vain([] { return ::socket(AF_INET, SOCK_STREAM, 0) >= 0; });
  expect_in_vain([] { return ::socket(AF_UNIX, SOCK_STREAM, 0) >= 0; });
}

TEST(Containment, StartsAndSignalsNoProcess) {
  const auto copy = [] {
    const pid_t child = ::fork();
    if (child == 0) {
      ::_exit(0);
    }
    return child > 0;
  };
  expect_in_vain(copy);
  expect_in_vain([] { return ::kill(::getppid(), 0) == 0; });
  const auto contained = [&] {
    contain_this_process(kTestLimits);
    char* const arguments[] = {nullptr};
    ::execv("/bin/true", arguments);
    ::_exit(5);  // reached only where there was no /bin/true to become
  };
  EXPECT_EXIT(contained(), testing::ExitedWithCode(5), "");
}

TEST(Containment, WritesToNoRegularFile) {
  const TemporaryDirectory directory;
  const auto contained = [&] {
    ::signal(SIGXFSZ, SIG_IGN);
    const int file = ::open((directory / "x").c_str(), O_WRONLY | O_CREAT, 0600);
    ::dup2(file, STDOUT_FILENO);
    contain_this_process(kTestLimits);
    ::_exit(::write(STDOUT_FILENO, "x", 1) == 1 ? 1 : 0);
  };
  EXPECT_EXIT(contained(), testing::ExitedWithCode(0), "");
}

TEST(Containment, KeepsNoOtherFileOpen) {
  const TemporaryDirectory directory;
  put_file(directory / "secret", "x");
  const int file = ::open((directory / "secret").c_str(), O_RDONLY);
  expect_in_vain([&] {
    char byte = 0;
    return ::read(file, &byte, 1) == 1;
  });
  ::close(file);
}

TEST(Containment, HasItsShareOfMemory) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "the sanitizer reserves more memory than a limit would leave";
#endif
  expect_in_vain([] {
    return ::mmap(nullptr, size_t{2} << 30, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
           MAP_FAILED;
  });
}

}  // namespace
}  // namespace peft
