// Commands on a model folder whose weights are pickled.
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

}  // namespace
}  // namespace peft
