// Commands on model and adapter folders whose weights are pickled.
#include <gtest/gtest.h>

#include <filesystem>

#include "cli/program.h"
#include "io/temporary_directory.h"
#include "io/torch_builder.h"
#include "peft/io/safetensors.h"
#include "peft/util/json.h"

namespace peft {
namespace {

namespace fs = std::filesystem;

/// The float32 tensors of a file as torch.save would write them, each in a storage of its own.
std::string pickled(const SafetensorsFile& file) {
  ZipBuilder zip;
  PickleBuilder pickle;
  pickle.raw("}");
  int number = 0;
  for (const auto& [name, info] : file.tensors()) {
    std::vector<int32_t> shape(info.shape.begin(), info.shape.end());
    std::vector<int32_t> strides(shape.size(), 1);
    for (size_t i = shape.size(); i-- > 1;) {
      strides[i - 1] = strides[i] * shape[i];
    }
    std::string data(info.bytes, '\0');
    file.read(name, std::as_writable_bytes(std::span(data)));
    const std::string key = std::to_string(number++);
    zip.add("m/data/" + key, data);
    pickle.text(name).tensor(static_cast<int32_t>(info.elements()), 0, shape, strides, key);
    pickle.raw("s");
  }
  return zip.add("m/data.pkl", pickle.done()).file();
}

/// The tiny llama twice: as it is, and with pytorch_model.bin instead of safetensors.
class PickledModel : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    fs::remove_all(folder());
    fs::create_directories(folder() / "pickled");
    const fs::path original = fs::path(PEFT_SOURCE_DIR) / "tests/fixtures/models/llama";
    fs::copy(original / "config.json", folder() / "pickled");
    put_file(folder() / "pickled/pytorch_model.bin",
             pickled(SafetensorsFile(original / "model.safetensors")));
    put_file(folder() / "rows.jsonl", R"({"input_ids": [1, 5, 3, 2, 7, 4]})"
                                      "\n");
    put_file(
        folder() / "run.json",
        Json{{"model", (folder() / "pickled").string()},
             {"adapter", {{"peft_type", "LORA"}}},
             {"data", {{"train", (folder() / "rows.jsonl").string()}, {"format", "tokens"}}},
             {"training",
              {{"output_dir", (folder() / "out").string()}, {"max_steps", 1}, {"warmup_steps", 0}}}}
            .dump());
  }
  static void TearDownTestSuite() { fs::remove_all(folder()); }

  static fs::path folder() { return fs::path(testing::TempDir()) / "peft_cli_pickle"; }
  static std::string path(const char* name) { return (folder() / name).string(); }
};

TEST_F(PickledModel, IsRefusedUnlessAskedFor) {
  const Outcome outcome = peft("methods --model " + path("pickled"));
  EXPECT_EQ(outcome.code, 3);
  EXPECT_NE(outcome.err.find("holds only pickled weights"), std::string::npos) << outcome.err;
  EXPECT_EQ(peft("methods --allow-pickle --model " + path("pickled")).code, 0);
  EXPECT_EQ(peft("plan --device cpu --config " + path("run.json")).code, 3);
}

TEST_F(PickledModel, GivesTheLogitsOfItsSafetensors) {
  const std::string original = std::string(PEFT_SOURCE_DIR) + "/tests/fixtures/models/llama";
  const std::string flags = " --device cpu --tokens " + path("rows.jsonl") + " --out ";
  EXPECT_EQ(peft("logits --model " + original + flags + path("a.safetensors")).code, 0);
  const Outcome outcome =
      peft("logits --allow-pickle --model " + path("pickled") + flags + path("b.safetensors"));
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(bytes_of_file(path("a.safetensors")), bytes_of_file(path("b.safetensors")));
}

TEST_F(PickledModel, IsTrainedAndMerged) {
  const std::string train = "train --no-progress --device cpu --config " + path("run.json");
  EXPECT_EQ(peft(train).code, 3);
  const Outcome trained = peft(train + " model.allow_pickle=true");
  ASSERT_EQ(trained.code, 0) << trained.err;
  const Outcome merged =
      peft("merge --allow-pickle --adapter " + path("out") + " --out " + path("merged"));
  EXPECT_EQ(merged.code, 0) << merged.err;
  EXPECT_TRUE(fs::exists(folder() / "merged/model.safetensors"));
}

/// The adapter `lora` of the tiny llama as PEFT before safetensors left it.
class PickledAdapter : public testing::Test {
 protected:
  PickledAdapter() {
    put_file(folder_ / "rows.jsonl", "{\"input_ids\": [1, 5, 3, 2, 7, 4]}\n");
    put_file(
        folder_ / "run.json",
        Json{{"model", llama_},
             {"adapter", adapter_},
             {"data", {{"train", path("rows.jsonl")}, {"format", "tokens"}}},
             {"training", {{"output_dir", path("run")}, {"max_steps", 1}, {"warmup_steps", 0}}}}
            .dump());
  }

  std::string path(const char* name) const { return (folder_ / name).string(); }
  static void expect_refused(const std::string& command) {
    const Outcome outcome = peft(command);
    EXPECT_EQ(outcome.code, 3) << command;
    EXPECT_TRUE(outcome.err.ends_with(
        "lora-pickled: holds only pickled weights (adapter_model.bin), a format that can carry "
        "code; --allow-pickle (\"allow_pickle\": true in a run file's model) reads the tensors and "
        "nothing else of it\n"))
        << command << "\n"
        << outcome.err;
  }
  static void expect_done(const std::string& command) {
    const Outcome outcome = peft(command);
    EXPECT_EQ(outcome.code, 0) << command << "\n" << outcome.err;
  }

  TemporaryDirectory folder_;
  const std::string llama_ = std::string(PEFT_SOURCE_DIR) + "/tests/fixtures/models/llama";
  const std::string safe_ = llama_ + "/lora";
  const std::string adapter_ = llama_ + "/lora-pickled";
};

TEST_F(PickledAdapter, HoldsWhatItsSafetensorsHold) {
  expect_refused("adapters diff " + safe_ + " " + adapter_);
  const Outcome outcome = peft("adapters diff --allow-pickle " + safe_ + " " + adapter_);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "equal: the same keys and 28 tensors\n");
}

TEST_F(PickledAdapter, IsDescribedAsItsSafetensorsAre) {
  expect_refused("adapters info " + adapter_);
  Json pickled = Json::parse(peft("adapters info --json --allow-pickle " + adapter_).out);
  Json safe = Json::parse(peft("adapters info --json " + safe_).out);
  pickled.erase("path");
  safe.erase("path");
  EXPECT_EQ(pickled, safe);
}

TEST_F(PickledAdapter, GivesTheLogitsOfItsSafetensors) {
  const std::string logits =
      "logits --device cpu --model " + llama_ + " --tokens " + path("rows.jsonl");
  expect_refused(logits + " --out " + path("a") + " --adapter " + adapter_);
  expect_done(logits + " --out " + path("a") + " --allow-pickle --adapter " + adapter_);
  expect_done(logits + " --out " + path("b") + " --adapter " + safe_);
  EXPECT_EQ(bytes_of_file(path("a")), bytes_of_file(path("b")));
}

TEST_F(PickledAdapter, IsComparedWithItsSafetensors) {
  const std::string eval = "eval --device cpu --format tokens --model " + llama_ + " --data " +
                           path("rows.jsonl") + " --adapter " + safe_ + " --adapter " + adapter_;
  expect_refused(eval);
  expect_done(eval + " --allow-pickle");
}

TEST_F(PickledAdapter, BecomesSafetensorsByConversion) {
  const std::string convert = "adapters convert " + adapter_ + " --out ";
  expect_refused(convert + path("converted"));
  expect_done(convert + path("converted") + " --allow-pickle");
  expect_done("adapters diff " + safe_ + " " + path("converted"));
}

TEST_F(PickledAdapter, IsMergedWithOthersAndIntoItsBase) {
  const std::string sum = "adapters merge " + safe_ + " " + adapter_ +
                          " --method cat --weights 1,1 --out " + path("sum");
  expect_refused(sum);
  expect_done(sum + " --allow-pickle");
  const std::string merge =
      "merge --model " + llama_ + " --adapter " + adapter_ + " --out " + path("merged");
  expect_refused(merge);
  expect_done(merge + " --allow-pickle");
}

TEST_F(PickledAdapter, IsTrainedOn) {
  const std::string train = "train --no-progress --device cpu --config " + path("run.json");
  expect_refused(train);
  expect_done(train + " --allow-pickle");
  EXPECT_TRUE(fs::exists(folder_ / "run/adapter_model.safetensors"));
}

}  // namespace
}  // namespace peft
