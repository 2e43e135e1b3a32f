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

  /// Leaves a run of `config_` there, without its end.
  void begin() const {
    RunDirectory(run(), {}).begin(config_, config_, Json::object(), std::nullopt);
  }
  void finish() const { RunDirectory(run(), {}).finish({{"steps", 7}}); }

  TemporaryDirectory folder_;
  Json config_ = {{"training", {{"seed", 1}}}};
  Json other_ = {{"training", {{"seed", 2}}}};
};

TEST_F(RunDirectoryTest, KnowsWhereARunStands) {
  EXPECT_EQ(RunDirectory(run(), {}).phase(config_), RunPhase::kNew);
  begin();
  EXPECT_EQ(RunDirectory(run(), {}).phase(config_), RunPhase::kUnfinished);
  finish();
  const RunDirectory directory(run(), {});
  EXPECT_EQ(directory.phase(config_), RunPhase::kFinished);
  EXPECT_EQ(directory.finished_steps(), 7);
}

TEST_F(RunDirectoryTest, StartsOverWhenItMayOverwrite) {
  begin();
  finish();
  EXPECT_EQ(RunDirectory(run(), {.overwrite = true}).phase(other_), RunPhase::kNew);
}

TEST_F(RunDirectoryTest, RefusesAFolderOfAnotherRunAndNamesTheField) {
  begin();
  EXPECT_EQ(problem_of([&] { RunDirectory(run(), {}).phase(other_); }),
            "training.output_dir: " + run() +
                " holds another run, with another training.seed; choose another folder, or give "
                "--overwrite to start over, or --allow-changed=training.seed to go on");
}

TEST_F(RunDirectoryTest, GoesOnWithAChangeThatIsAllowed) {
  begin();
  finish();
  EXPECT_EQ(RunDirectory(run(), {.allowed_changes = {"seed"}}).phase(other_),
            RunPhase::kUnfinished);
}

TEST_F(RunDirectoryTest, TakesNoNoteOfWhatChangesNoNumber) {
  begin();
  Json quieter = config_;
  quieter["training"]["logging_steps"] = 100;
  EXPECT_EQ(RunDirectory(run(), {}).phase(quieter), RunPhase::kUnfinished);
}

TEST_F(RunDirectoryTest, DoesNotResumeWhenToldNever) {
  begin();
  EXPECT_EQ(
      problem_of([&] { RunDirectory(run(), {.resume = "never"}).phase(config_); }),
      "training.output_dir: " + run() +
          " holds a run that did not end; leave --resume out to go on, or give --overwrite to "
          "start it again");
}

TEST_F(RunDirectoryTest, HasOneWriter) {
  const RunDirectory first(run(), {});
  try {
    const RunDirectory second(run(), {});
    FAIL();
  } catch (const IoError& error) {
    EXPECT_EQ(std::string(error.what()), "training.output_dir: another process trains in " + run() +
                                             "; wait for it, or choose another folder");
  }
}

TEST_F(RunDirectoryTest, IsFreeAgainAfterItsWriter) {
  { const RunDirectory first(run(), {}); }
  EXPECT_NO_THROW(RunDirectory(run(), {}));
}

TEST_F(RunDirectoryTest, LeavesNoEmptyFolderBehind) {
  { const RunDirectory directory(run(), {}); }
  EXPECT_FALSE(std::filesystem::exists(run()));
}

TEST_F(RunDirectoryTest, MakesNothingInADryRun) {
  const RunDirectory directory(run(), {.dry = true});
  EXPECT_FALSE(std::filesystem::exists(run()));
}

TEST_F(RunDirectoryTest, RefusesAFileInItsPlace) {
  std::ofstream(run()) << "x";
  EXPECT_EQ(problem_of([&] { RunDirectory(run(), {}); }),
            "training.output_dir: " + run() + " is not a folder");
}

TEST_F(RunDirectoryTest, LeavesNothingOfAnOverwrittenRun) {
  begin();
  finish();
  std::ofstream(run() + "/steps.jsonl") << "{}\n";
  std::filesystem::create_directory(run() + "/checkpoint-5");
  RunDirectory(run(), {.overwrite = true}).begin(other_, other_, Json::object(), std::nullopt);
  EXPECT_FALSE(std::filesystem::exists(run() + "/run_report.json"));
  EXPECT_FALSE(std::filesystem::exists(run() + "/steps.jsonl"));
  EXPECT_FALSE(std::filesystem::exists(run() + "/checkpoint-5"));
}

TEST_F(RunDirectoryTest, StartsAtStepZeroWithoutACheckpointThatVerifies) {
  begin();
  std::filesystem::create_directory(run() + "/checkpoint-5");
  const RunDirectory directory(run(), {});
  EXPECT_FALSE(directory.starting_point(RunPhase::kUnfinished).has_value());
}

TEST_F(RunDirectoryTest, RefusesACheckpointThatWasAskedForAndDoesNotVerify) {
  std::filesystem::create_directories(run() + "/checkpoint-5");
  const RunDirectory directory(run(), {.resume = run() + "/checkpoint-5"});
  EXPECT_THROW(directory.starting_point(RunPhase::kNew), IntegrityError);
}

}  // namespace
}  // namespace peft
