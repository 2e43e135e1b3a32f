#include "peft/io/hf_directory.h"

#include <gtest/gtest.h>

#include <memory>

#include "io/temporary_directory.h"

namespace peft {
namespace {

namespace fs = std::filesystem;

/// A model folder under construction.
class HfDirectoryTest : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directory(model_);
    put("config.json", R"({"model_type": "llama", "eos_token_id": 2})");
  }

  void put(const std::string& name, const std::string& text) { put_file(model_ / name, text); }

  /// A file of float32 tensors of two elements each: 1 and 2.
  void put_tensors(const fs::path& file, const std::vector<std::string>& names,
                   std::map<std::string, std::string> metadata = {{"format", "pt"}}) {
    std::vector<TensorToWrite> tensors;
    for (const std::string& name : names) {
      tensors.push_back({name, Dtype::kF32, {2}, std::as_bytes(std::span(values_))});
    }
    write_safetensors(file, std::move(tensors), metadata);
  }

  void put_index(const std::string& weight_map, const std::string& metadata = "{}") {
    put("model.safetensors.index.json",
        R"({"metadata": )" + metadata + R"(, "weight_map": )" + weight_map + "}");
  }

  std::string fault() const {
    return error_text([&] { HfDirectory{model_}; });
  }

  const std::vector<float> values_ = {1.0f, 2.0f};
  TemporaryDirectory directory_;
  const fs::path model_ = directory_ / "m";
  const std::string index_ = (model_ / "model.safetensors.index.json").string();
};

TEST_F(HfDirectoryTest, ReadsASingleFile) {
  put_tensors(model_ / "model.safetensors", {"a", "b"});
  const HfDirectory model(model_);
  EXPECT_EQ(model.model_type(), "llama");
  EXPECT_EQ(model.tensors().size(), 2u);
  EXPECT_EQ(model.total_bytes(), 16);
  EXPECT_EQ(model.total_elements(), 4);
  std::vector<float> b(2);
  model.read("b", std::as_writable_bytes(std::span(b)));
  EXPECT_EQ(b, values_);
}

TEST_F(HfDirectoryTest, ReadsShards) {
  put_tensors(model_ / "1.safetensors", {"a"});
  put_tensors(model_ / "2.safetensors", {"b", "c"});
  put_index(R"({"a": "1.safetensors", "b": "2.safetensors", "c": "2.safetensors"})",
            R"({"total_size": 24.0, "total_parameters": 6})");
  const HfDirectory model(model_);
  EXPECT_EQ(model.tensors().size(), 3u);
  std::vector<float> second(1);
  model.read("c", 4, std::as_writable_bytes(std::span(second)));
  EXPECT_EQ(second[0], 2.0f);
}

TEST_F(HfDirectoryTest, ListsAliases) {
  put_tensors(model_ / "model.safetensors", {"lm_head.weight"},
              {{"format", "pt"}, {"model.embed_tokens.weight", "lm_head.weight"}});
  EXPECT_EQ(HfDirectory(model_).aliases(),
            (std::map<std::string, std::string>{{"model.embed_tokens.weight", "lm_head.weight"}}));
}

TEST_F(HfDirectoryTest, UnitesTheEndsOfTwoConfigs) {
  put_tensors(model_ / "model.safetensors", {"a"});
  put("generation_config.json", R"({"eos_token_id": [7, 2]})");
  EXPECT_EQ(HfDirectory(model_).eos_token_ids(), (std::vector<int32_t>{7, 2}));
  put("generation_config.json", R"({"eos_token_id": [-1]})");
  EXPECT_EQ(fault(), (model_ / "generation_config.json").string() +
                         ": eos_token_id: expected a token id or a list of them, found [-1]");
}

TEST_F(HfDirectoryTest, NamesAMissingFolder) {
  EXPECT_EQ(error_text([] { HfDirectory{"no/model"}; }), "no/model: no such folder");
}

TEST_F(HfDirectoryTest, PointsAGgufFileToImport) {
  put_file(directory_ / "m.gguf", "GGUF");
  EXPECT_EQ(error_text([&] { HfDirectory{directory_ / "m.gguf"}; }),
            (directory_ / "m.gguf").string() +
                ": expected a model folder, found a file; `peft import` makes a folder of it");
}

TEST_F(HfDirectoryTest, SaysWhatAFolderHasInsteadOfWeights) {
  EXPECT_EQ(fault(),
            model_.string() + ": has neither model.safetensors nor model.safetensors.index.json");
  put("x.gguf", "");
  EXPECT_EQ(fault(), model_.string() +
                         ": has no model.safetensors; make a model folder with `peft import " +
                         (model_ / "x.gguf").string() + "`");
}

TEST_F(HfDirectoryTest, NeedsAConfig) {
  fs::remove(model_ / "config.json");
  EXPECT_EQ(fault(), (model_ / "config.json").string() + ": no such file; is " + model_.string() +
                         " a model folder?");
  put("config.json", "{}");
  EXPECT_EQ(fault(), (model_ / "config.json").string() + ": model_type: missing");
}

TEST_F(HfDirectoryTest, RefusesWhatItCannotCompute) {
  const std::string config = (model_ / "config.json").string();
  put("config.json",
      R"({"model_type": "llama", "quantization_config": {"quant_method": "gptq", "bits": 4}})");
  EXPECT_EQ(fault(), config +
                         ": quantization_config: the weights are quantised (\"gptq\"), which "
                         "cannot be read; use the full-precision checkpoint");
  put("config.json", R"({"model_type": "gemma3_text", "use_bidirectional_attention": true})");
  EXPECT_EQ(fault(), config + ": use_bidirectional_attention: true is not supported");
}

TEST_F(HfDirectoryTest, RefusesShardNamesThatLeadAway) {
  for (const std::string name : {"../x.safetensors", "/etc/x.safetensors", "a\\\\b.safetensors",
                                 "c:x.safetensors", ".x.safetensors", "x.bin", ""}) {
    put_index(R"({"a": ")" + name + R"("})");
    const std::string shown = name == "a\\\\b.safetensors" ? "a\\b.safetensors" : name;
    EXPECT_EQ(fault(), index_ + ": weight_map: \"" + shown + "\" is not the name of a shard");
  }
}

TEST_F(HfDirectoryTest, RefusesAnIndexThatDisagreesWithItsShards) {
  put_index(R"({"a": "1.safetensors", "b": "2.safetensors"})");
  EXPECT_EQ(fault(), (model_ / "1.safetensors").string() +
                         ": no such file, but model.safetensors.index.json names it");
  put_tensors(model_ / "1.safetensors", {"a"});
  put_tensors(model_ / "2.safetensors", {"a"});
  EXPECT_EQ(fault(),
            (model_ / "2.safetensors").string() + ": tensor \"a\" is in another shard too");
  put_tensors(model_ / "2.safetensors", {"c"});
  EXPECT_EQ(fault(), index_ + ": weight_map: \"b\" is not in 2.safetensors");
  put_tensors(model_ / "2.safetensors", {"b", "c"});
  EXPECT_EQ(fault(), index_ + ": weight_map: \"c\" is missing, but 2.safetensors holds it");
  put_tensors(model_ / "2.safetensors", {"b"});
  put_index(R"({"a": "1.safetensors", "b": "2.safetensors"})", R"({"total_size": 15})");
  EXPECT_EQ(fault(), index_ + ": metadata: total_size: expected the shards' 16 bytes, found 15");
}

TEST_F(HfDirectoryTest, RefusesAnIndexWithoutItsMap) {
  put("model.safetensors.index.json", "{}");
  EXPECT_EQ(fault(), index_ + ": weight_map: missing");
  put_index("[]");
  EXPECT_EQ(fault(), index_ + ": weight_map: expected an object, found a list");
  put_index(R"({"a": 1})");
  EXPECT_EQ(fault(), index_ + ": weight_map: a: expected a string, found 1");
}

TEST_F(HfDirectoryTest, FollowsTheLinksOfAHuggingFaceCache) {
  const fs::path entry = directory_ / "models--x--y";
  const fs::path snapshot = entry / "snapshots" / "0123";
  fs::create_directories(snapshot);
  fs::create_directories(entry / "blobs");
  put_tensors(entry / "blobs" / "aa", {"a"});
  put_file(entry / "blobs" / "bb", R"({"model_type": "llama"})");
  fs::create_symlink("../../blobs/aa", snapshot / "model.safetensors");
  fs::create_symlink("../../blobs/bb", snapshot / "config.json");
  EXPECT_EQ(HfDirectory(snapshot).tensors().size(), 1u);
}

TEST_F(HfDirectoryTest, FollowsNoLinkOutOfTheFolder) {
  put_tensors(directory_ / "outside", {"a"});
  fs::create_symlink(directory_ / "outside", model_ / "model.safetensors");
  EXPECT_EQ(fault(), (model_ / "model.safetensors").string() + ": a link to " +
                         (directory_ / "outside").string() +
                         ", outside the model folder; copy the file or name the folder that holds "
                         "it");
  fs::remove(directory_ / "outside");
  EXPECT_EQ(fault(), (model_ / "model.safetensors").string() + ": a link that leads nowhere");
}

TEST_F(HfDirectoryTest, FollowsALinkWithinTheFolderAndALinkToTheFolder) {
  put_tensors(model_ / "weights", {"a"});
  fs::create_symlink("weights", model_ / "model.safetensors");
  fs::create_directory_symlink(model_, directory_ / "link");
  EXPECT_EQ(HfDirectory(directory_ / "link").tensors().size(), 1u);
}

}  // namespace
}  // namespace peft
