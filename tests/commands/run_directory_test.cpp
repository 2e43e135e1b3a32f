#include "peft/commands/run_directory.h"

#include <gtest/gtest.h>

#include <fstream>

#include "support/fixtures.h"

namespace peft {
namespace {

template <class F>
std::string problem_of(const F& f) {
  try {
    f();
  } catch (const UsageError& error) {
    return error.what();
  }
  return "";
}

class RunDirectoryTest : public testing::Test {
 protected:
  std::string run() const { return (folder_.path() / "run").string(); }
  static constexpr bool kKeep = false;

  TemporaryDirectory folder_;
  Json config_ = {{"training", {{"seed", 1}}}};
  Json other_ = {{"training", {{"seed", 2}}}};
};

TEST_F(RunDirectoryTest, KnowsAFinishedRunOfTheSameConfig) {
  const RunDirectory directory(run(), kKeep);
  EXPECT_FALSE(directory.is_finished(config_));
  directory.begin(config_, config_, Json::object());
  directory.finish({{"steps", 1}});
  EXPECT_TRUE(RunDirectory(run(), kKeep).is_finished(config_));
  EXPECT_FALSE(RunDirectory(run(), /*overwrite=*/true).is_finished(config_));
}

TEST_F(RunDirectoryTest, RefusesAFolderOfAnotherRun) {
  const RunDirectory directory(run(), kKeep);
  directory.begin(config_, config_, Json::object());
  EXPECT_EQ(problem_of([&] { directory.is_finished(other_); }),
            "training.output_dir: " + run() +
                " holds another run; choose another folder or give --overwrite");
  EXPECT_EQ(problem_of([&] { directory.is_finished(config_); }),
            "training.output_dir: " + run() +
                " holds a run that did not end; give --overwrite to start it again");
}

TEST_F(RunDirectoryTest, RefusesAFileInItsPlace) {
  std::ofstream(run()) << "x";
  EXPECT_EQ(problem_of([&] { RunDirectory(run(), kKeep); }),
            "training.output_dir: " + run() + " is not a folder");
}

TEST_F(RunDirectoryTest, LeavesNothingOfAnOverwrittenRun) {
  const RunDirectory directory(run(), kKeep);
  directory.begin(config_, config_, Json::object());
  directory.finish({{"steps", 1}});
  std::ofstream(run() + "/train_log.jsonl") << "{}\n";
  RunDirectory(run(), /*overwrite=*/true).begin(other_, other_, Json::object());
  EXPECT_FALSE(std::filesystem::exists(run() + "/run_report.json"));
  EXPECT_FALSE(std::filesystem::exists(run() + "/train_log.jsonl"));
}

}  // namespace
}  // namespace peft
