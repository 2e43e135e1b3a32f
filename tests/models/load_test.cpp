#include "peft/models/load.h"

#include <fstream>

#include "peft/models/registry.h"
#include "support/fixtures.h"

namespace peft {
namespace {

/// A copy of a fixture whose config a test may change.
class EditedModel {
 public:
  explicit EditedModel(const std::string& name) {
    for (const char* file : {"model.safetensors", "config.json"}) {
      std::filesystem::copy_file(fixture("models/" + name) / file, folder_.path() / file);
    }
  }
  void set(const char* key, const Json& value) {
    Json config = read_json<ModelError>(folder_.path() / "config.json");
    config[key] = value;
    std::ofstream(folder_.path() / "config.json") << config.dump();
  }
  std::string problem() const {
    try {
      load_model(HfDirectory(folder_.path()), at::kFloat, at::kCPU);
    } catch (const ModelError& error) {
      std::string text = error.what();
      for (size_t at = text.find(folder_.path().string()); at != std::string::npos;
           at = text.find(folder_.path().string())) {
        text.replace(at, folder_.path().string().size(), "DIR");
      }
      return text;
    }
    return "";
  }

 private:
  TemporaryDirectory folder_;
};

TEST(LoadModel, NamesTheArchitecturesItKnows) {
  EditedModel model("llama");
  model.set("model_type", "mamba");
  std::vector<std::string> known;
  for (const ModelFamily& family : model_families()) {
    known.emplace_back(family.model_type);
  }
  EXPECT_EQ(model.problem(),
            fmt::format("DIR/config.json: model_type: expected one of {}, found \"mamba\"",
                        fmt::join(known, ", ")));
}

TEST(LoadModel, ReportsAllTensorsThatDoNotFitTogether) {
  EditedModel model("llama");
  const Json config = read_json<ModelError>(fixture("models/llama/config.json"));
  model.set("intermediate_size", config.at("intermediate_size").get<int>() + 8);
  const std::string problem = model.problem();
  EXPECT_NE(problem.find("DIR: 6 tensors do not fit LlamaForCausalLM\n"), std::string::npos)
      << problem;
  EXPECT_NE(problem.find("model.layers.1.mlp.up_proj.weight: expected ("), std::string::npos);
}

TEST(LoadModel, RefusesAnUnknownRopeType) {
  EditedModel model("llama");
  model.set("rope_scaling", {{"rope_type", "spiral"}, {"factor", 2.0}});
  EXPECT_EQ(
      model.problem(),
      "DIR/config.json: rope_type: expected default, linear, dynamic, llama3, yarn or longrope, "
      "found \"spiral\"");
}

TEST(LoadModel, ReadsBfloat16IntoFloat32) {
  const auto model = fixture_model("llama-bfloat16");
  const auto expected = read_tensors(fixture("models/llama-bfloat16/reference.safetensors"));
  expect_same_logits(logits_of(*model, ids_of(expected.at("ids.0"))), expected.at("logits.0"));
}

TEST(ComputeDtype, IsFloat32OnAProcessorWithoutBfloat16) {
  const HfDirectory directory(fixture("models/llama-bfloat16"));
  const at::ScalarType expected = __builtin_cpu_supports("avx512bf16") ? at::kBFloat16 : at::kFloat;
  EXPECT_EQ(compute_dtype("auto", directory, at::kCPU), expected);
  EXPECT_EQ(compute_dtype("bfloat16", directory, at::kCPU), at::kBFloat16);
}

}  // namespace
}  // namespace peft
