#include "peft/report/log_mirror.h"

#include <gtest/gtest.h>

#include "io/temporary_directory.h"
#include "peft/util/text.h"

namespace peft {
namespace {

const Json kBoth = {"jsonl", "csv", "tensorboard"};

size_t event_files(const std::filesystem::path& folder) {
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    count += entry.path().filename().string().starts_with("events.out.tfevents.") ? 1 : 0;
  }
  return count;
}

TEST(LogMirror, WritesCsvAndEvents) {
  const TemporaryDirectory folder;
  LogMirror mirror(folder.path(), kBoth, /*goes_on=*/false);
  mirror.write({{"step", 1}, {"loss", 2.5}});
  mirror.write({{"step", 1}, {"eval_loss", 2.0}});
  const std::vector<std::string> lines = split(bytes_of_file(folder / "train_log.csv"), '\n');
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_TRUE(lines[0].starts_with("step,epoch,loss,"));
  EXPECT_EQ(lines[1], "1,,2.5,,,,,,,,,,,");
  EXPECT_EQ(lines[2], "1,,,,,,,,,,2.0,,,");
  EXPECT_EQ(event_files(folder.path()), 1u);
}

TEST(LogMirror, AddsToTheCsvOfARunThatGoesOn) {
  const TemporaryDirectory folder;
  LogMirror(folder.path(), kBoth, /*goes_on=*/false).write({{"step", 1}, {"loss", 2.5}});
  LogMirror(folder.path(), kBoth, /*goes_on=*/true).write({{"step", 2}, {"loss", 1.5}});
  const std::vector<std::string> lines = split(bytes_of_file(folder / "train_log.csv"), '\n');
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(lines[2], "2,,1.5,,,,,,,,,,,");
}

TEST(LogMirror, LeavesNothingOfAnEarlierRun) {
  const TemporaryDirectory folder;
  put_file(folder / "events.out.tfevents.1.peft", "old");
  LogMirror(folder.path(), kBoth, /*goes_on=*/false).write({{"step", 1}, {"loss", 2.5}});
  EXPECT_FALSE(std::filesystem::exists(folder / "events.out.tfevents.1.peft"));
}

TEST(LogMirror, WritesOnlyWhatIsAskedFor) {
  const TemporaryDirectory folder;
  LogMirror(folder.path(), {"jsonl"}, /*goes_on=*/false).write({{"step", 1}, {"loss", 2.5}});
  EXPECT_FALSE(std::filesystem::exists(folder / "train_log.csv"));
  EXPECT_EQ(event_files(folder.path()), 0u);
}

}  // namespace
}  // namespace peft
