// Memory that runs out: on the device a step is done again in smaller parts and computes the same;
// on the host a failure at any allocation leaves nothing half-done.
#include <c10/core/CPUAllocator.h>
#include <gtest/gtest.h>

#include "peft/methods/adapter_io.h"
#include "peft/methods/merge.h"
#include "peft/util/durable_file.h"
#include "peft/util/temporaries.h"
#include "training/tiny_run.h"

namespace peft {
namespace {

/// Rides on the input of the model, takes batches of more than `most` rows for too large, and
/// remembers the tokens of the others.
class SmallMemory final : public InputHook {
 public:
  enum class Where { kEverywhere, kInEvaluation };
  explicit SmallMemory(int64_t most, Where where = Where::kEverywhere)
      : most_(most), where_(where) {}
  void forward(ModelInput& input) override {
    const bool counts = where_ == Where::kEverywhere || !at::GradMode::is_enabled();
    if (counts && input.segments.count() > most_) {
      C10_THROW_ERROR(OutOfMemoryError, "Tried to allocate 1 GiB of which 2 MiB are free");
    }
    tokens.push_back(input.segments.total());
  }
  int64_t positions() const override { return 0; }

  std::vector<int64_t> tokens;

 private:
  int64_t most_;
  Where where_;
};

constexpr int64_t kPlenty = 1000;  // rows

/// Steps of four rows on a device that holds `most`.
TinyRun memory_run(const std::filesystem::path& folder, int64_t most) {
  TinyRun run;
  run.folder = folder / "run";
  run.order = {.batch_size = 4, .accumulation = 1};
  run.options.longest_first = true;
  run.keep.save_steps = 6;
  run.model->input_hook.plug(std::make_shared<SmallMemory>(most));
  return run;
}

double farthest(const NamedTensors& a, const NamedTensors& b) {
  double largest = 0.0;
  for (size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, (a[i].second - b[i].second).abs().max().item<double>());
  }
  return largest;
}

TEST(Memory, ASmallerDeviceComputesTheSameInSmallerParts) {
  const auto trained_with = [](int64_t most) {
    const TemporaryDirectory folder;
    TinyRun run = memory_run(folder.path(), most);
    run.run();
    EXPECT_EQ(read_state(checkpoint_path(run.folder, 12)).parts, most == kPlenty ? 1 : 4 / most);
    return run.trained;
  };
  const NamedTensors whole = trained_with(kPlenty);
  EXPECT_LE(farthest(trained_with(2), whole), 1e-5);  // twelve steps of AdamW apart
  EXPECT_LE(farthest(trained_with(1), whole), 1e-5);
}

TEST(Memory, ASmallerDeviceIsBitEqualToARunOfThatMicroBatch) {
  for (const int64_t most : {1, 2}) {
    const TemporaryDirectory small_folder;
    TinyRun small = memory_run(small_folder.path(), most);
    small.rows.resize(16);  // whole batches: the last of two rows would be cut in one and one
    small.run();
    const TemporaryDirectory split_folder;
    TinyRun split = memory_run(split_folder.path(), kPlenty);
    split.rows.resize(16);
    split.order = {.batch_size = most, .accumulation = 4 / most};
    split.run();
    EXPECT_EQ(bytes_of(small.folder / "steps.jsonl"), bytes_of(split.folder / "steps.jsonl"));
    EXPECT_EQ(farthest(small.trained, split.trained), 0.0);
  }
}

TEST(Memory, TheLargestBatchComesFirst) {
  const auto first_is_largest = [](bool longest_first) {
    const TemporaryDirectory folder;
    TinyRun run = memory_run(folder.path(), kPlenty);
    run.model->input_hook.unplug();
    const auto memory = std::make_shared<SmallMemory>(kPlenty);
    run.model->input_hook.plug(memory);
    run.options.longest_first = longest_first;
    run.options.max_steps = 5;  // one epoch
    run.run();
    return memory->tokens.front() ==
           *std::max_element(memory->tokens.begin(), memory->tokens.end());
  };
  EXPECT_TRUE(first_is_largest(true));
  EXPECT_FALSE(first_is_largest(false));
}

TEST(Memory, OneRowThatIsTooLargeEndsTheRun) {
  const TemporaryDirectory folder;
  TinyRun run = memory_run(folder.path(), 0);
  EXPECT_EQ(refusal_of<MemoryError>([&] { run.run(); }),
            "step 1: one row at a time is too much for cpu: Tried to allocate 1 GiB of which 2 MiB "
            "are free; lower data.max_length");
}

TEST(Memory, ARunThatGoesOnKeepsItsParts) {
  const TemporaryDirectory whole_folder;
  TinyRun whole = memory_run(whole_folder.path(), 2);
  whole.run();
  for (const int64_t most_later : {int64_t{2}, kPlenty}) {  // whatever memory there is by then
    const TemporaryDirectory folder;
    TinyRun first = memory_run(folder.path(), 2);
    first.on_step = [](const StepRecord& record) {
      if (record.step == 8) {
        throw std::runtime_error("cut off");
      }
    };
    EXPECT_THROW(first.run(), std::runtime_error);
    TinyRun second = memory_run(folder.path(), most_later);
    second.run();
    EXPECT_EQ(second.summary.steps, 12);
    EXPECT_EQ(bytes_of(second.folder / "steps.jsonl"), bytes_of(whole.folder / "steps.jsonl"));
    EXPECT_EQ(farthest(second.trained, whole.trained), 0.0);
  }
}

TEST(Memory, InEvaluationLeavesTrainingAsItIs) {
  const auto run_with = [](int64_t most, const std::filesystem::path& folder) {
    TinyRun run = memory_run(folder, kPlenty);
    run.model->input_hook.unplug();
    run.model->input_hook.plug(
        std::make_shared<SmallMemory>(most, SmallMemory::Where::kInEvaluation));
    run.held_out = TinyRun::counting_rows();
    run.options.eval_steps = 4;
    run.run();
    return run;
  };
  const TemporaryDirectory small_folder;
  const TemporaryDirectory folder;
  const TinyRun small = run_with(2, small_folder.path());
  const TinyRun whole = run_with(kPlenty, folder.path());
  EXPECT_EQ(read_state(checkpoint_path(small.folder, 12)).parts, 1);
  EXPECT_EQ(bytes_of(small.folder / "steps.jsonl"), bytes_of(whole.folder / "steps.jsonl"));
  EXPECT_NEAR(*small.summary.selection.best, *whole.summary.selection.best, 1e-5);
}

TEST(Memory, InEvaluationOfOneRowEndsTheRun) {
  const auto model = fixture_model("llama");
  model->input_hook.plug(std::make_shared<SmallMemory>(0));
  const std::vector<Example> rows = TinyRun::counting_rows();
  EXPECT_EQ(refusal_of<MemoryError>([&] { evaluate(*model, rows, 64, at::kCPU); }),
            "evaluation: one row alone is too much: Tried to allocate 1 GiB of which 2 MiB are "
            "free; lower data.max_length");
}

/// The host's allocator, which fails at its n-th call, or from there on, as the program's own does.
class FailingAllocator final : public at::Allocator {
 public:
  FailingAllocator() { c10::SetCPUAllocator(this); }
  ~FailingAllocator() override { c10::SetCPUAllocator(before_); }

  void arm(int64_t n, bool stays) {
    calls = 0;
    n_ = n;
    stays_ = stays;
  }
  at::DataPtr allocate(size_t size) override {
    ++calls;
    check<MemoryError>(n_ == 0 || (stays_ ? calls < n_ : calls != n_),
                       "out of memory: {} more are needed, none are available", size);
    return before_->allocate(size);
  }
  at::DeleterFnPtr raw_deleter() const override { return before_->raw_deleter(); }
  void copy_data(void* target, const void* source, size_t size) const override {
    default_copy_data(target, source, size);
  }

  std::atomic<int64_t> calls = 0;

 private:
  at::Allocator* before_ = c10::GetCPUAllocator();
  int64_t n_ = 0;  // 0: never
  bool stays_ = false;
};

/// Two steps with a save behind each.
TinyRun short_run(const std::filesystem::path& folder) {
  TinyRun run;
  run.folder = folder / "run";
  run.options.max_steps = 2;
  run.keep.save_steps = 1;
  return run;
}

/// Whatever is left must verify, and a run without the fault must end where it should.
void expect_sound(const std::filesystem::path& folder, const std::string& what) {
  const std::filesystem::path run = folder / "run";
  if (std::filesystem::exists(run)) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(run)) {
      EXPECT_FALSE(is_temporary(entry.path())) << what << ": " << entry.path();
    }
    for (const CheckpointFolder& checkpoint : list_checkpoints(run)) {
      EXPECT_NO_THROW(verify_checkpoint(checkpoint.path)) << what;
    }
  }
  TinyRun again = short_run(folder);
  again.run();
  EXPECT_EQ(again.summary.steps, 2) << what;
}

TEST(HostMemory, AFailureAtAnyAllocationLeavesNothingHalfDone) {
  FailingAllocator allocator;
  int64_t all = 0;
  {
    const TemporaryDirectory folder;
    TinyRun run = short_run(folder.path());
    allocator.arm(0, false);
    run.run();
    all = allocator.calls;
  }
  for (const bool stays : {false, true}) {
    const int64_t stride = std::max<int64_t>(1, all / 12);
    for (int64_t n = stays ? 3 : 1; n <= all; n += stride) {
      const TemporaryDirectory folder;
      TinyRun run = short_run(folder.path());
      bool failed = false;
      allocator.arm(n, stays);
      try {
        run.run();
      } catch (const MemoryError&) {
        failed = true;
      }
      allocator.arm(0, false);
      EXPECT_TRUE(failed || !stays) << n;  // one failure in a step may be survived
      expect_sound(folder.path(), fmt::format("allocation {} of {}", n, all));
    }
  }
}

TEST(HostMemory, AFailureInAMergeLeavesNoFolder) {
  const HfDirectory base(fixture("models/llama"));
  const StoredAdapter stored = read_adapter(fixture("models/llama/lora"));
  const TemporaryDirectory folder;
  const auto merge = [&] {
    write_folder(folder.path() / "merged", /*overwrite=*/false, [&](const auto& out) {
      const UnreadModel model = build_model(base, at::kFloat, at::kCPU);
      const auto adapter = load_adapter(*model.model, stored);
      write_merged_weights(base, model, *adapter, std::nullopt, out);
    });
  };
  FailingAllocator allocator;
  allocator.arm(0, false);
  merge();
  const int64_t all = allocator.calls;
  std::filesystem::remove_all(folder.path() / "merged");
  for (const bool stays : {false, true}) {
    for (int64_t n = 1; n <= all; n += 1 + all / 60) {
      allocator.arm(n, stays);
      EXPECT_THROW(merge(), MemoryError) << n;
      EXPECT_TRUE(std::filesystem::is_empty(folder.path())) << n;
    }
  }
  allocator.arm(0, false);
  EXPECT_NO_THROW(merge());
}

}  // namespace
}  // namespace peft
