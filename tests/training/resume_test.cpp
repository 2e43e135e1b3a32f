// A run that was cut off and resumed ends with the bytes of one that was not; and the comparison
// sees each part of the state that a resume could forget.
#include <gtest/gtest.h>

#include "peft/training/tensor_file.h"
#include "training/tiny_run.h"

namespace peft {
namespace {

struct CutOff {};

/// Runs into `folder` and is cut off when step `at` has been logged.
void run_until(TinyRun run, int64_t at) {
  run.on_step = [at](const StepRecord& record) {
    if (record.step == at) {
      throw CutOff();
    }
  };
  EXPECT_THROW(run.run(), CutOff);
}

TinyRun tiny_run(const std::filesystem::path& folder) {
  TinyRun run;
  run.folder = folder;
  return run;
}

/// What a run leaves that must not depend on how often it was cut off.
std::string traces_of(const std::filesystem::path& folder) {
  const std::filesystem::path last = checkpoint_path(folder, 12);
  return bytes_of(folder / "steps.jsonl") + bytes_of(last / "trainable.safetensors") +
         bytes_of(last / "optimizer.safetensors") +
         bytes_of(last / "adapter" / "adapter_model.safetensors");
}

std::string undisturbed(const std::function<void(TinyRun&)>& change = {}) {
  const TemporaryDirectory folder;
  TinyRun run = tiny_run(folder.path() / "run");
  if (change) {
    change(run);
  }
  run.run();
  return traces_of(run.folder);
}

/// Cut off after step 8 (the checkpoint is of step 6), then finished by `second`.
std::string resumed(const std::function<void(TinyRun&)>& second) {
  const TemporaryDirectory folder;
  run_until(tiny_run(folder.path() / "run"), 8);
  TinyRun run = tiny_run(folder.path() / "run");
  second(run);
  run.run();
  return traces_of(run.folder);
}

/// Rewrites a checkpoint's file as a faulty program would have written it.
void plant(const std::filesystem::path& folder, const std::function<void()>& change) {
  std::filesystem::remove(folder / "MANIFEST.json");
  change();
  write_manifest(folder, {.step = *checkpoint_step(folder), .tool = "test"});
}

TEST(Resume, EndsWithTheBytesOfAnUndisturbedRun) {
  const std::string expected = undisturbed();
  for (int64_t at = 1; at <= 12; ++at) {
    const TemporaryDirectory folder;
    run_until(tiny_run(folder.path() / "run"), at);
    tiny_run(folder.path() / "run").run();
    EXPECT_EQ(traces_of(folder.path() / "run"), expected) << "cut off at step " << at;
  }
}

TEST(Resume, HoldsForARunThatIsCutOffFiveTimes) {
  const TemporaryDirectory folder;
  for (const int64_t at : {4, 5, 8, 10, 11}) {
    run_until(tiny_run(folder.path() / "run"), at);
  }
  tiny_run(folder.path() / "run").run();
  EXPECT_EQ(traces_of(folder.path() / "run"), undisturbed());
}

TEST(Resume, HoldsWithPackingAndOneMicroBatch) {
  const auto packed = [](TinyRun& run) {
    run.order = {.packing = "bfd", .batch_size = 1, .max_length = 24, .accumulation = 1};
  };
  const TemporaryDirectory folder;
  TinyRun first = tiny_run(folder.path() / "run");
  packed(first);
  run_until(std::move(first), 7);
  TinyRun second = tiny_run(folder.path() / "run");
  packed(second);
  second.run();
  EXPECT_EQ(traces_of(second.folder), undisturbed(packed));
}

TEST(Resume, EvaluatesWhatASignalCameBeforeAndKeepsTheBest) {
  const auto with_rows = [](TinyRun& run) {
    run.held_out = TinyRun::counting_rows();
    run.held_out.resize(3);
    run.options.eval_steps = 4;
  };
  const TemporaryDirectory folder;
  TinyRun first = tiny_run(folder.path() / "run");
  with_rows(first);
  run_until(std::move(first), 9);
  TinyRun second = tiny_run(folder.path() / "run");
  with_rows(second);
  second.run();
  EXPECT_EQ(traces_of(second.folder), undisturbed(with_rows));
  EXPECT_TRUE(second.summary.selection.best.has_value());
  EXPECT_EQ(second.summary.selection.evaluated_step, 12);
}

// Planted defects: each is what a resume that forgets one part would do.

TEST(ResumeComparison, SeesDropoutThatIsDrawnAfresh) {
  EXPECT_NE(resumed([](TinyRun& run) { run.options.seed = 43; }), undisturbed());
}

TEST(ResumeComparison, SeesMomentsThatWereDropped) {
  const auto drop = [](TinyRun& run) {
    const std::filesystem::path folder = checkpoint_path(run.folder, 6);
    plant(folder, [&] {
      NamedTensors moments = read_named_tensors(folder / "optimizer.safetensors");
      for (auto& [name, tensor] : moments) {
        tensor.zero_();
      }
      write_tensors(folder / "optimizer.safetensors", moments);
    });
  };
  EXPECT_NE(resumed(drop), undisturbed());
}

TEST(ResumeComparison, SeesAnEpochThatStartsAgain) {
  // Step 6 is in the second epoch of five steps; the rows of another epoch come in another order.
  EXPECT_NE(resumed([](TinyRun& run) { run.order.seed = 43; }), undisturbed());
}

TEST(ResumeComparison, SeesPacksThatAreFilledAfresh) {
  const auto packed = [](TinyRun& run) {
    run.order = {.packing = "bfd", .batch_size = 1, .max_length = 24, .accumulation = 1};
  };
  const TemporaryDirectory folder;
  TinyRun first = tiny_run(folder.path() / "run");
  packed(first);
  run_until(std::move(first), 7);
  TinyRun second = tiny_run(folder.path() / "run");
  packed(second);
  second.order.window = 3;  // the packer forgot the rows that it held back
  second.run();
  EXPECT_NE(traces_of(second.folder), undisturbed(packed));
}

}  // namespace
}  // namespace peft
