// LoRA against Hugging Face PEFT: adapters that it made, and their logits
// (scripts/make_fixtures.py).
#include "peft/config/adapter_config.h"
#include "peft/methods/adapter_io.h"
#include "peft/methods/registry.h"
#include "peft/util/log.h"
#include "support/tiny_models.h"

namespace peft {
namespace {

/// A folder below fixtures/models: "llama/lora".
std::vector<std::string> adapter_folders() {
  std::vector<std::string> folders = {"llama/lora-qv", "llama/lora-rslora", "llama/lora-patterns"};
  for (const std::string& model : tiny_architectures()) {
    folders.push_back(model + "/lora");
  }
  return folders;
}

class PeftAdapter : public testing::TestWithParam<std::string> {
 protected:
  std::filesystem::path folder_ = fixture("models/" + GetParam());
  std::filesystem::path base_ = folder_.parent_path();
  std::string model_ = base_.filename().string();
};

TEST_P(PeftAdapter, GivesTheReferencesLogits) {
  const auto model = fixture_model(model_);
  const auto adapter = load_adapter(*model, read_adapter(folder_));
  const auto inputs = read_tensors(base_ / "reference.safetensors");
  const auto expected = read_tensors(folder_ / "adapter_logits.safetensors");
  for (const auto& [name, logits] : expected) {
    SCOPED_TRACE(name);
    const std::string k = name.substr(name.rfind('.'));
    expect_same_logits(logits_of(*model, ids_of(inputs.at("ids" + k))), logits);
  }
}

TEST_P(PeftAdapter, IsWrittenWithTheSameNamesAndValues) {
  TemporaryDirectory out;
  const auto model = fixture_model(model_);
  const auto adapter = load_adapter(*model, read_adapter(folder_));
  save_adapter(*adapter, out.path(), "base");
  const auto ours = read_tensors(out.path() / "adapter_model.safetensors");
  const auto theirs = read_tensors(folder_ / "adapter_model.safetensors");
  ASSERT_EQ(ours.size(), theirs.size());
  for (const auto& [name, tensor] : theirs) {
    ASSERT_TRUE(ours.count(name) > 0) << name;
    EXPECT_TRUE(at::equal(ours.at(name), tensor)) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Fixtures, PeftAdapter, testing::ValuesIn(adapter_folders()));

TEST(Lora, ReportsAllTensorsThatDoNotFitTogether) {
  const auto model = fixture_model("llama");
  StoredAdapter stored = read_adapter(fixture("models/llama/lora-qv"));
  stored.path = "DIR";
  stored.tensors.front().second = at::zeros({1, 1});
  stored.tensors.emplace_back("base_model.model.extra.lora_A.weight", at::zeros({1}));
  try {
    load_adapter(*model, stored);
    FAIL() << "was loaded";
  } catch (const ModelError& error) {
    const std::string text = error.what();
    EXPECT_EQ(text.find("DIR: 2 tensors do not fit this model\n"), 0u) << text;
    EXPECT_NE(text.find("base_model.model.extra.lora_A.weight: this adapter has no such tensor"),
              std::string::npos);
    EXPECT_NE(text.find("found (1, 1)"), std::string::npos);
  }
}

TEST(Lora, RefusesARankLargerThanTheProjection) {
  const auto model = fixture_model("llama");
  const Json config =
      complete_adapter_config({{"peft_type", "LORA"}, {"r", 64}, {"target_modules", {"q_proj"}}});
  EXPECT_THROW(attach_adapter(*model, config, 0), UsageError);
}

TEST(Lora, StartsTheSameWhateverElseIsAdapted) {
  const auto start = [](const Json& targets) {
    const auto model = fixture_model("llama");
    const auto adapter = attach_adapter(
        *model, complete_adapter_config({{"peft_type", "LORA"}, {"target_modules", targets}}), 42);
    for (const auto& [name, tensor] : adapter->trainable()) {
      if (name == "model.layers.1.self_attn.v_proj.lora_A.weight") {
        return tensor.clone();
      }
    }
    return Tensor();
  };
  EXPECT_TRUE(at::equal(start({"v_proj"}), start("all-linear")));
}

TEST(LoadAdapter, WarnsOfOneThatChangesNothing) {
  const auto model = fixture_model("llama");
  StoredAdapter stored = read_adapter(fixture("models/llama/lora-qv"));
  const size_t before = warnings().size();
  load_adapter(*model, stored);
  EXPECT_EQ(warnings().size(), before);
  for (auto& [name, tensor] : stored.tensors) {
    if (name.ends_with(".lora_B.weight")) {
      tensor.zero_();
    }
  }
  load_adapter(*model, stored);
  ASSERT_EQ(warnings().size(), before + 1);
  EXPECT_NE(warnings().back().find("changes nothing: was it trained?"), std::string::npos);
}

TEST(Merge, GivesAHeadThatWasTiedAMatrixOfItsOwn) {
  const auto model = fixture_model("gpt2");
  const auto adapter = load_adapter(*model, read_adapter(fixture("methods/gpt2-lora-embeddings")));
  const std::vector<int32_t> ids = {3, 14, 15, 9};
  const Tensor adapted = logits_of(*model, ids);
  adapter->merge();
  expect_same_logits(logits_of(*model, ids), adapted);
  model->head().tie(model->token_embedding().weight());  // the planted bug
  EXPECT_GT((logits_of(*model, ids) - adapted).abs().max().item<double>(), 1e-3);
}

TEST(SaveAdapter, RefusesValuesThatAreNotFinite) {
  TemporaryDirectory out;
  const auto model = fixture_model("llama");
  const auto adapter = load_adapter(*model, read_adapter(fixture("models/llama/lora-qv")));
  {
    const at::NoGradGuard no_grad;
    adapter->trainable().front().second.fill_(std::numeric_limits<float>::quiet_NaN());
  }
  EXPECT_THROW(save_adapter(*adapter, out.path(), "base"), NumericError);
  EXPECT_TRUE(std::filesystem::is_empty(out.path()));
}

}  // namespace
}  // namespace peft
