#include "peft/methods/targets.h"

#include "support/fixtures.h"

namespace peft {
namespace {

std::vector<std::string> paths(const std::vector<NamedLinear>& targets) {
  std::vector<std::string> names;
  for (const NamedLinear& target : targets) {
    names.push_back(target.path);
  }
  return names;
}

class Targets : public testing::Test {
 protected:
  std::vector<std::string> found(const Json& adapter) const {
    return paths(find_targets(*model_, TargetConfig::from(adapter)));
  }
  std::string problem(const Json& adapter) const {
    try {
      found(adapter);
    } catch (const UsageError& error) {
      return error.what();
    }
    return "";
  }
  std::unique_ptr<CausalLM> model_ = fixture_model("llama");
};

TEST_F(Targets, MatchASuffixAtADot) {
  EXPECT_EQ(found({{"target_modules", {"q_proj"}}}),
            (std::vector<std::string>{"model.layers.0.self_attn.q_proj",
                                      "model.layers.1.self_attn.q_proj"}));
  EXPECT_NE(problem({{"target_modules", {"_proj"}}}), "");
}

TEST_F(Targets, MatchAWholeNameByExpression) {
  EXPECT_EQ(
      found({{"target_modules", ".*layers\\.0\\.(self_attn\\.q_proj|mlp\\.up_proj)"}}),
      (std::vector<std::string>{"model.layers.0.self_attn.q_proj", "model.layers.0.mlp.up_proj"}));
}

TEST_F(Targets, LeaveOutTheHeadUnlessItIsNamed) {
  EXPECT_EQ(found({{"target_modules", "all-linear"}}).size(), 14u);
  EXPECT_EQ(found({{"target_modules", {"lm_head"}}}), std::vector<std::string>{"lm_head"});
}

TEST_F(Targets, KeepToTheChosenLayers) {
  EXPECT_EQ(found({{"target_modules", {"q_proj"}}, {"layers_to_transform", 0}}),
            std::vector<std::string>{"model.layers.0.self_attn.q_proj"});
}

TEST_F(Targets, ObeyExclusions) {
  EXPECT_EQ(
      found({{"target_modules", {"q_proj"}}, {"exclude_modules", {"layers.1.self_attn.q_proj"}}}),
      std::vector<std::string>{"model.layers.0.self_attn.q_proj"});
}

TEST_F(Targets, SayWhatThereIsWhenNothingMatches) {
  EXPECT_EQ(
      problem({{"target_modules", {"c_attn"}}}),
      "adapter.target_modules: [\"c_attn\"] matches no module of LlamaForCausalLM; available: "
      "down_proj, gate_proj, k_proj, o_proj, q_proj, up_proj, v_proj; \"all-linear\" would "
      "pick 14 modules");
}

TEST_F(Targets, NamesThatNoModuleHasAreNamed) {
  EXPECT_EQ(unmatched_names(*model_, {"q_proj", "query", "embed_tokens", "lm_head", "c_attn"}),
            (std::vector<std::string>{"query", "c_attn"}));
  EXPECT_TRUE(unmatched_names(*model_, {"q_proj", "layers.1.mlp.up_proj", "norm"}).empty());
  EXPECT_TRUE(unmatched_names(*model_, "all-linear").empty());
}

TEST(PatternValue, TakesTheFirstKeyThatMatchesAtADot) {
  const Json pattern = {{"layers.1.self_attn.q_proj", 2}, {"q_proj", 3}};
  EXPECT_EQ(pattern_value(pattern, "model.layers.1.self_attn.q_proj").value(), 2);
  EXPECT_EQ(pattern_value(pattern, "model.layers.0.self_attn.q_proj").value(), 3);
  EXPECT_FALSE(pattern_value(pattern, "model.layers.0.self_attn.xq_proj").has_value());
}

}  // namespace
}  // namespace peft
