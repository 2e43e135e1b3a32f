#include "peft/util/child_process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include "io/temporary_directory.h"

namespace peft {
namespace {

using End = ChildResult::End;

constexpr ChildLimits kGenerous{.time = std::chrono::seconds(60), .output_bytes = 1000};

/// Runs a line of shell with the text "given" as its stdin.
ChildResult run_shell(const std::string& line, const ChildLimits& limits = kGenerous) {
  const TemporaryDirectory directory;
  put_file(directory / "input", "given");
  const int input = ::open((directory / "input").c_str(), O_RDONLY | O_CLOEXEC);
  const ChildResult result = run_child({"/bin/sh", "-c", line}, input, limits);
  ::close(input);
  return result;
}

TEST(ChildProcess, ReadsWhatItIsGivenAndIsHeard) {
  const ChildResult result = run_shell("cat; echo unheard >&2; echo ' and more'; exit 7");
  EXPECT_EQ(result.end, End::kExited);
  EXPECT_EQ(result.code, 7);
  EXPECT_EQ(result.output, "given and more\n");
}

TEST(ChildProcess, SaysWhichSignalEndedIt) {
  const ChildResult result = run_shell("kill -SEGV $$");
  EXPECT_EQ(result.end, End::kSignalled);
  EXPECT_EQ(result.code, SIGSEGV);
}

TEST(ChildProcess, IsKilledWhenItTakesTooLong) {
  const ChildLimits hasty{.time = std::chrono::milliseconds(20), .output_bytes = 1000};
  EXPECT_EQ(run_shell("exec sleep 600", hasty).end, End::kTookTooLong);
}

TEST(ChildProcess, IsKilledWhenItSaysTooMuch) {
  const ChildResult result = run_shell("exec yes");
  EXPECT_EQ(result.end, End::kSaidTooMuch);
  EXPECT_LE(result.output.size(), 1000u);
}

TEST(ChildProcess, IsNotWaitedForOnceItHasClosedItsOutput) {
  const ChildResult result = run_shell("exec >&-; exec sleep 600");
  EXPECT_EQ(result.end, End::kSignalled);
  EXPECT_EQ(result.code, SIGKILL);
}

TEST(ChildProcess, ThatCannotBeStartedIsAnError) {
  const std::string text = error_text([] { run_child({"/nowhere/x"}, STDIN_FILENO, kGenerous); });
  EXPECT_EQ(text, "/nowhere/x: cannot be started: No such file or directory");
}

}  // namespace
}  // namespace peft
