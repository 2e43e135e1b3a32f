// What an update counts: alpha / R or alpha / sqrt(R), raw alpha being the bug that readers of
// adapters have had most often.
#include "peft/methods/effective_scale.h"

#include <gtest/gtest.h>

#include "peft/config/adapter_config.h"
#include "peft/methods/lora_hooks.h"
#include "peft/methods/registry.h"
#include "peft/util/durable_file.h"
#include "support/fixtures.h"

namespace peft {
namespace {

Json scale_config(const std::string& changes = "{}") {
  Json config = {
      {"peft_type", "LORA"}, {"r", 4}, {"lora_alpha", 16}, {"target_modules", {"q_proj"}}};
  config.update(Json::parse(changes));
  return complete_adapter_config(config);
}

/// A LoRA on the first query projection that applies `scale`, whatever its config says.
class LoraOfScale final : public Adapter {
 public:
  LoraOfScale(CausalLM& model, Json config, double scale)
      : Adapter(model), config_(std::move(config)) {
    const NamedLinear target = model.projections().front();
    hook_ = std::make_shared<LoraLinear>(*target.linear, LoraShape{.rank = 4, .scale = scale},
                                         dropout());
    path_ = target.path;
    plug(path_, target.linear->hook, hook_);
  }
  Json config() const override { return config_; }
  std::map<std::string, double> scales() const override { return {{path_, hook_->scale()}}; }

 private:
  Json config_;
  std::string path_;
  std::shared_ptr<LoraLinear> hook_;
};

/// The refusal of a LoRA that applies `scale` under `config`; "" when there is none.
std::string scale_fault(const Json& config, double scale) {
  const auto model = fixture_model("llama");
  const LoraOfScale adapter(*model, config, scale);
  try {
    check_scales(adapter, config, adapter.trainable(), "here");
  } catch (const ModelError& error) {
    return error.what();
  }
  return "";
}

TEST(EffectiveScale, OfRawAlphaIsRefused) {
  EXPECT_EQ(scale_fault(scale_config(), 16.0),
            "here: model.layers.0.self_attn.q_proj: expected the scale 4 by the config, found 16");
}

TEST(EffectiveScale, OfTheOtherRuleIsRefused) {
  EXPECT_EQ(scale_fault(scale_config(R"({"use_rslora": true})"), 4.0),
            "here: model.layers.0.self_attn.q_proj: expected the scale 8 by the config, found 4");
  EXPECT_NE(scale_fault(scale_config(), 8.0), "");
}

TEST(EffectiveScale, OfAnotherRankIsRefused) {
  EXPECT_EQ(scale_fault(scale_config(R"({"rank_pattern": {"q_proj": 2}})"), 8.0),
            "here: model.layers.0.self_attn.q_proj: expected rank 2 by the config, found 4");
}

TEST(EffectiveScale, ByTheConfigIsTaken) {
  EXPECT_EQ(scale_fault(scale_config(), 4.0), "");
  EXPECT_EQ(scale_fault(scale_config(R"({"use_rslora": true})"), 8.0), "");
  EXPECT_EQ(scale_fault(scale_config(R"({"alpha_pattern": {"q_proj": 2}})"), 0.5), "");
}

/// Every way to say a scale, saved and read back.
class SavedScale : public testing::TestWithParam<const char*> {};

TEST_P(SavedScale, MeansWhatTheModulesApplied) {
  const TemporaryDirectory folder;
  const auto model = fixture_model("llama");
  std::map<std::string, double> live;
  {
    const auto adapter = attach_adapter(*model, scale_config(GetParam()), /*seed=*/3);
    live = adapter->scales();
    save_adapter(*adapter, folder.path(), "tiny");
  }
  const StoredAdapter stored = read_adapter(folder.path());
  const auto loaded = load_adapter(*model, stored);
  const std::map<std::string, double> found = loaded->scales();
  ASSERT_EQ(found.size(), live.size());
  for (const auto& [path, scale] : live) {
    EXPECT_NEAR(found.at(path), scale, 1e-12) << path;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Configs, SavedScale,
    testing::Values(
        "{}", R"({"use_rslora": true})",
        R"({"target_modules": "all-linear", "rank_pattern": {"v_proj": 2, "0.mlp.up_proj": 8}})",
        R"({"target_modules": "all-linear", "alpha_pattern": {"k_proj": 3}, "use_rslora": true})",
        R"({"target_modules": ["q_proj", "embed_tokens"]})", R"({"init_lora_weights": "pissa"})",
        R"({"init_lora_weights": "olora", "use_rslora": true, "rank_pattern": {"q_proj": 2}})"));

TEST(EffectiveScale, IsOneNumberWhereItIsTheSame) {
  EXPECT_EQ(scales_json({{"a", 2.0}, {"b", 2.0}}), Json(2.0));
  EXPECT_EQ(scales_json({{"a", 2.0}, {"b", 1.0}}).dump(), R"({"a":2.0,"b":1.0})");
  EXPECT_TRUE(scales_json({}).is_null());
}

/// A saved adapter of scale 4 beside the report of its run.
class RecordedScale : public testing::Test {
 protected:
  void SetUp() override {
    const auto model = fixture_model("llama");
    const auto adapter = attach_adapter(*model, scale_config(), /*seed=*/3);
    save_adapter(*adapter, folder_.path(), "tiny");
    const Json report = {{"effective_scale", scales_json(adapter->scales())}};
    write_file(folder_.path() / "run_report.json", report.dump());
  }
  /// The refusal of the folder after a change of its config.
  std::string after(const Json& change) const {
    const std::filesystem::path file = folder_.path() / "adapter_config.json";
    Json config = read_json<ModelError>(file);
    config.update(change);
    write_file(file, config.dump());
    try {
      read_adapter(folder_.path());
    } catch (const ModelError& error) {
      return error.what();
    }
    return "";
  }
  TemporaryDirectory folder_;
};

TEST_F(RecordedScale, IsWhatTheConfigMeans) {
  EXPECT_EQ(after(Json::object()), "");
}

TEST_F(RecordedScale, RefusesAnotherAlphaOrRule) {
  const std::string tail = "; undo its change, or remove run_report.json to use it all the same";
  EXPECT_EQ(after({{"lora_alpha", 8}}),
            folder_.path().string() +
                ": model.layers.0.self_attn.q_proj was trained with the scale 4.0, and "
                "adapter_config.json means 2 now" +
                tail);
  EXPECT_NE(after({{"lora_alpha", 16}, {"use_rslora", true}}), "");
  EXPECT_EQ(after({{"lora_alpha", 8}, {"use_rslora", true}}), "");  // 8 / sqrt 4: the same again
}

TEST_F(RecordedScale, IsNotAskedOfAFolderWithoutAReport) {
  std::filesystem::remove(folder_.path() / "run_report.json");
  EXPECT_EQ(after({{"lora_alpha", 8}}), "");
}

}  // namespace
}  // namespace peft
