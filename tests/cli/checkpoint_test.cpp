#include <gtest/gtest.h>

#include <fstream>

#include "cli/program.h"
#include "io/temporary_directory.h"
#include "peft/io/checkpoint_folder.h"
#include "peft/util/json.h"

namespace peft {
namespace {

/// A run with checkpoints of steps 10 and 20.
class CheckpointVerify : public testing::Test {
 protected:
  void SetUp() override {
    for (const int64_t step : {10, 20}) {
      const std::filesystem::path folder = checkpoint_path(run_, step);
      std::filesystem::create_directories(folder / "adapter");
      for (const char* name : {"trainable.safetensors", "optimizer.safetensors",
                               "trainer_state.json", "adapter/adapter_config.json"}) {
        std::ofstream(folder / name) << name << step;
      }
      write_manifest(folder, {.step = step, .tool = "peft 0.1.0"});
    }
  }
  std::string at(int64_t step) const { return checkpoint_path(run_, step).string(); }

  TemporaryDirectory folder_;
  std::filesystem::path run_ = folder_.path() / "run";
};

TEST_F(CheckpointVerify, ChecksOneOrAllOfARun) {
  EXPECT_EQ(peft("checkpoint verify " + at(20)).out,
            at(20) + ": step 20, 4 files as their manifest says\n");
  const Outcome all = peft("checkpoint verify " + run_.string() + " --json");
  EXPECT_EQ(all.code, 0);
  EXPECT_EQ(Json::parse(all.out).at("checkpoints").size(), 2u);
}

TEST_F(CheckpointVerify, EndsWithEightForAHashThatDoesNotMatch) {
  std::ofstream(at(20) + "/optimizer.safetensors") << "optimizer.safetensors21";
  const Outcome outcome = peft("checkpoint verify " + at(20));
  EXPECT_EQ(outcome.code, 8);
  EXPECT_NE(outcome.err.find(at(20) + "/optimizer.safetensors: expected SHA-256 "),
            std::string::npos);
}

TEST_F(CheckpointVerify, RefusesAFolderThatIsNone) {
  EXPECT_EQ(peft("checkpoint verify " + folder_.path().string()).err,
            "peft: error: " + folder_.path().string() + ": no MANIFEST.json\n");
  EXPECT_EQ(peft("checkpoint verify nowhere").code, 2);
}

}  // namespace
}  // namespace peft
