#include "peft/training/checkpoint.h"

#include <gtest/gtest.h>

#include "training/tiny_run.h"

namespace peft {
namespace {

namespace fs = std::filesystem;

class Checkpoint : public testing::Test {
 protected:
  void SetUp() override {
    run_.folder = folder_.path() / "run";
    run_.options.max_steps = 9;
    run_.run();
  }
  fs::path at(int64_t step) const { return checkpoint_path(run_.folder, step); }
  std::vector<int64_t> steps() const {
    std::vector<int64_t> found;
    for (const CheckpointFolder& checkpoint : list_checkpoints(run_.folder)) {
      found.push_back(checkpoint.step);
    }
    return found;
  }

  TemporaryDirectory folder_;
  TinyRun run_;
};

TEST_F(Checkpoint, HoldsWhatItsManifestSays) {
  const Manifest manifest = verify_checkpoint(at(9));
  EXPECT_EQ(manifest.step, 9);
  EXPECT_EQ(manifest.files.size(), 5u);
}

TEST_F(Checkpoint, StaysWithTheLastTwo) {
  EXPECT_EQ(steps(), (std::vector<int64_t>{9, 6}));
}

TEST_F(Checkpoint, ABitFlippedAnywhereIsSeenAndTheOneBeforeIsUsed) {
  int64_t caught = 0;
  for (const auto& [name, file] : verify_checkpoint(at(9)).files) {
    for (uint64_t place = 0; place < 40; ++place) {
      std::fstream stream(at(9) / name, std::ios::in | std::ios::out | std::ios::binary);
      const auto offset = static_cast<std::streamoff>(file.bytes * place / 40);
      stream.seekg(offset);
      const char byte = static_cast<char>(stream.get());
      stream.seekp(offset);
      stream.put(static_cast<char>(byte ^ 0x10));
      stream.flush();
      caught += newest_checkpoint(run_.folder)->step == 6 ? 1 : 0;
      stream.seekp(offset);
      stream.put(byte);
    }
  }
  EXPECT_EQ(caught, 200);
  EXPECT_EQ(newest_checkpoint(run_.folder)->step, 9);
}

TEST_F(Checkpoint, IsPassedOverWhenAFileIsMissingCutOrExtra) {
  fs::resize_file(at(9) / "trainable.safetensors", 100);
  EXPECT_THROW(verify_checkpoint(at(9)), IntegrityError);
  fs::remove(at(9) / "trainable.safetensors");
  EXPECT_EQ(refusal_of<IntegrityError>([&] { verify_checkpoint(at(9)); }),
            at(9).string() + ": trainable.safetensors is missing");
  std::ofstream(at(6) / "more") << "x";
  EXPECT_EQ(refusal_of<IntegrityError>([&] { verify_checkpoint(at(6)); }),
            at(6).string() + ": MANIFEST.json does not list more");
  EXPECT_FALSE(newest_checkpoint(run_.folder).has_value());
}

TEST_F(Checkpoint, IsRefusedUnderAnotherStepsName) {
  fs::rename(at(9), at(10));
  EXPECT_EQ(refusal_of<IntegrityError>([&] { verify_checkpoint(at(10)); }),
            at(10).string() + ": MANIFEST.json says step 9");
}

TEST_F(Checkpoint, IsRefusedWithASymbolicLink) {
  fs::rename(at(9) / "trainer_state.json", folder_.path() / "elsewhere");
  fs::create_symlink(folder_.path() / "elsewhere", at(9) / "trainer_state.json");
  EXPECT_EQ(refusal_of<IntegrityError>([&] { verify_checkpoint(at(9)); }),
            at(9).string() + ": trainer_state.json is a symbolic link");
}

TEST_F(Checkpoint, TemporaryNamesAreNone) {
  fs::rename(at(9), run_.folder / "checkpoint-9.tmp-1-0000abcd");
  EXPECT_EQ(steps(), (std::vector<int64_t>{6}));
  EXPECT_FALSE(checkpoint_step("run/checkpoint-09").has_value());
}

TEST_F(Checkpoint, AStateWithoutOneOfItsPartsIsRefused) {
  Json state = train_state_json(read_state(at(9)));
  state.erase("spike_guard");
  EXPECT_EQ(refusal_of<IntegrityError>([&] { read_train_state(state, "state"); }),
            "state: spike_guard: missing");
}

TEST(CheckpointIdentity, NamesEveryFieldThatDiffers) {
  const Json config = effective_config(
      {{"model", {{"name_or_path", "a"}, {"dtype", "auto"}}},
       {"training", {{"seed", 1}, {"max_steps", 5}, {"logging_steps", 1}, {"output_dir", "x"}}}});
  Manifest manifest{.step = 3,
                    .tool = "test",
                    .identity = {{"data", "aa"}, {"base", "cc"}},
                    .config = config,
                    .files = {}};
  RunIdentity now{"test", "", {{"data", "bb"}, {"base", "cc"}}, config};
  now.config["training.seed"] = 2;
  EXPECT_EQ(refusal_of<UsageError>([&] { check_identity(manifest, now, {}, "c"); }),
            "c: belongs to another run; undo the change, or give --allow-changed=FIELD for each\n"
            "  training.seed: the checkpoint has 1, this run 2\n"
            "  data: not what the checkpoint was trained with (its hash differs)");
  EXPECT_NO_THROW(check_identity(manifest, now, {"seed", "data"}, "c"));
  now.config["training.max_steps"] = 9;
  EXPECT_NO_THROW(check_identity(manifest, now, {"seed", "data", "num_train_epochs"}, "c"));
}

TEST(CheckpointIdentity, LeavesOutWhatChangesNoNumber) {
  const Json config = {{"model", {{"name_or_path", "a"}}}, {"training", {{"save_steps", 5}}}};
  EXPECT_EQ(effective_config(config), Json::object());
}

/// A disk that takes nothing more from some moment on.
class FullDisk : public testing::Test {
 protected:
  void SetUp() override { before_ = system_calls(); }
  void TearDown() override { system_calls() = before_; }
  SystemCalls before_;
};

TEST_F(FullDisk, CostsAWarningUntilTheThirdTimeInARow) {
  const TemporaryDirectory folder;
  TinyRun run;
  run.folder = folder.path() / "run";
  run.keep.save_steps = 2;
  run.on_step = [](const StepRecord& record) {
    if (record.step == 3) {
      system_calls().write = [](int, const void*, size_t) -> ssize_t {
        errno = ENOSPC;
        return -1;
      };
    }
  };
  EXPECT_THROW(run.run(), IoError);  // at steps 4, 6 and 8
  system_calls() = before_;
  EXPECT_EQ(newest_checkpoint(run.folder)->step, 2);
}

TEST_F(FullDisk, ThatHasRoomAgainLeavesARunAsItWouldHaveBeen) {
  const TemporaryDirectory folder;
  TinyRun run;
  run.folder = folder.path() / "run";
  run.on_step = [this](const StepRecord& record) {
    system_calls().free_bytes =
        record.step < 8 ? [](const char*) { return int64_t{0}; } : before_.free_bytes;
  };
  run.run();
  EXPECT_EQ(newest_checkpoint(run.folder)->step, 12);
}

}  // namespace
}  // namespace peft
