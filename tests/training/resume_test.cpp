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
  std::map<std::string, std::string> files;  // of tensors, whatever the method calls them
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(checkpoint_path(folder, 12))) {
    if (entry.path().extension() == ".safetensors") {
      files[entry.path().string()] = bytes_of(entry.path());
    }
  }
  std::string all = bytes_of(folder / "steps.jsonl");
  for (const auto& [name, bytes] : files) {
    all += bytes;
  }
  return all;
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

/// One run of every method, the weights of its own and what it keeps beside them.
class ResumeOfMethod : public testing::TestWithParam<const char*> {
 protected:
  static void choose(TinyRun& run) {
    run.adapter = Json::parse(GetParam());
    run.keep.save_steps = 6;
    if (run.adapter.at("peft_type") == "BITFIT") {
      run.model = fixture_model("qwen2");  // it has biases
    }
  }
};

TEST_P(ResumeOfMethod, EndsWithTheBytesOfAnUndisturbedRun) {
  const TemporaryDirectory folder;
  TinyRun first = tiny_run(folder.path() / "run");
  choose(first);
  run_until(std::move(first), 8);
  TinyRun second = tiny_run(folder.path() / "run");
  choose(second);
  second.run();
  EXPECT_EQ(traces_of(second.folder), undisturbed(choose));
}

INSTANTIATE_TEST_SUITE_P(
    Methods, ResumeOfMethod,
    testing::Values(
        R"({"peft_type": "LORA", "r": 4, "use_rslora": true})",
        R"({"peft_type": "LORA", "r": 4, "use_dora": true, "lora_dropout": 0.1})",
        R"({"peft_type": "LORA", "r": 4, "init_lora_weights": "pissa"})",
        R"({"peft_type": "LORA", "r": 4, "trainable_token_indices": [3, 9, 7]})",
        R"({"peft_type": "LORA", "r": 4, "modules_to_save": ["lm_head"]})",
        R"({"peft_type": "ADALORA", "init_r": 4, "target_r": 2, "tinit": 2, "tfinal": 3})",
        R"({"peft_type": "IA3"})", R"({"peft_type": "HOULSBY"})", R"({"peft_type": "PFEIFFER"})",
        R"({"peft_type": "PARALLEL"})",
        R"({"peft_type": "PROMPT_TUNING", "num_virtual_tokens": 3})",
        R"({"peft_type": "P_TUNING", "num_virtual_tokens": 3})",
        R"({"peft_type": "PREFIX_TUNING", "num_virtual_tokens": 3})",
        R"({"peft_type": "PREFIX_TUNING", "num_virtual_tokens": 3, "prefix_projection": true})",
        R"({"peft_type": "ADAPTION_PROMPT", "adapter_len": 3, "adapter_layers": 1})",
        R"({"peft_type": "LN_TUNING"})", R"({"peft_type": "BITFIT"})", R"({"peft_type": "FULL"})",
        R"({"peft_type": "VERA", "r": 8})", R"({"peft_type": "OFT", "oft_block_size": 4})"));

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
