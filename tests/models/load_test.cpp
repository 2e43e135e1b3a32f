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
  /// Writes float32 weights in place of the fixture's.
  void write(const std::map<std::string, Tensor>& weights) {
    std::vector<TensorToWrite> tensors;
    for (const auto& [name, tensor] : weights) {
      tensors.push_back(
          {name,
           Dtype::kF32,
           tensor.sizes().vec(),
           {static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes()}});
    }
    write_safetensors(folder_.path() / "model.safetensors", tensors);
  }
  std::unique_ptr<CausalLM> load() const {
    return load_model(HfDirectory(folder_.path()), at::kFloat, at::kCPU);
  }
  std::string problem() const {
    try {
      load();
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

TEST(LoadModel, RefusesARopeThatItsKindLeavesOpen) {
  EditedModel model("llama");
  model.set("rope_scaling", {{"rope_type", "llama3"}, {"factor", 8.0}});
  EXPECT_EQ(model.problem(),
            "DIR/config.json: low_freq_factor: missing; rope_type \"llama3\" needs it");
  model.set("rope_scaling", {{"type", "linear"}});
  EXPECT_EQ(model.problem(), "DIR/config.json: factor: missing; rope_type \"linear\" needs it");
}

TEST(LoadModel, RefusesKeysThatItsFamilyDoesNotKnow) {
  EditedModel halves("llama");
  halves.set("partial_rotary_factor", 0.5);
  EXPECT_EQ(halves.problem(),
            "DIR/config.json: partial_rotary_factor: expected 1, as models of this family "
            "rotate whole heads, found 0.5");
  EditedModel slides("llama");
  slides.set("layer_types", {"full_attention", "sliding_attention"});
  EXPECT_EQ(slides.problem(),
            "DIR/config.json: layer_types: sliding_attention needs a sliding_window, which this "
            "llama model has not");
}

TEST(LoadModel, ReadsBfloat16IntoFloat32) {
  const auto model = fixture_model("llama-bfloat16");
  const auto expected = read_tensors(fixture("models/llama-bfloat16/reference.safetensors"));
  expect_same_logits(logits_of(*model, ids_of(expected.at("ids.0"))), expected.at("logits.0"));
}

/// Qwen2's fixture is tied and holds the embedding alone.
TEST(LoadModel, FindsATiedHeadUnderEitherName) {
  const std::filesystem::path folder = fixture("models/qwen2");
  const auto expected = read_tensors(folder / "reference.safetensors");
  auto weights = read_tensors(folder / "model.safetensors");
  const auto expect_reference = [&] {
    EditedModel edited("qwen2");
    edited.write(weights);
    const auto model = edited.load();
    EXPECT_TRUE(model->is_tied());
    expect_same_logits(logits_of(*model, ids_of(expected.at("ids.0"))), expected.at("logits.0"));
  };
  weights["lm_head.weight"] = weights.at("model.embed_tokens.weight").clone();
  expect_reference();
  weights.erase("model.embed_tokens.weight");
  expect_reference();
}

TEST(LoadModel, DoesNotTieMatricesThatDiffer) {
  auto weights = read_tensors(fixture("models/qwen2/model.safetensors"));
  weights["lm_head.weight"] = weights.at("model.embed_tokens.weight") + 1;
  EditedModel edited("qwen2");
  edited.write(weights);
  EXPECT_FALSE(edited.load()->is_tied());
}

TEST(ComputeDtype, IsFloat32OnAProcessorWithoutBfloat16) {
  const HfDirectory directory(fixture("models/llama-bfloat16"));
  const at::ScalarType expected = __builtin_cpu_supports("avx512bf16") ? at::kBFloat16 : at::kFloat;
  EXPECT_EQ(compute_dtype("auto", directory, at::kCPU), expected);
  EXPECT_EQ(compute_dtype("bfloat16", directory, at::kCPU), at::kBFloat16);
}

}  // namespace
}  // namespace peft
