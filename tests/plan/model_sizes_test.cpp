#include <gtest/gtest.h>

#include "peft/plan/adapter_sizes.h"
#include "plan/sizes.h"

namespace peft {
namespace {

TEST(ModelSizes, ReadsALlamaFromItsHeaders) {
  const ModelSizes sizes = model_sizes(tiny_model("llama"));
  EXPECT_EQ(sizes.layers, 2);
  EXPECT_EQ(sizes.hidden, 32);
  EXPECT_EQ(sizes.vocabulary, 64);
  EXPECT_EQ(sizes.heads, 4);
  EXPECT_EQ(sizes.width(Place::kQuery), 32);
  EXPECT_EQ(sizes.width(Place::kKey), 16);
  EXPECT_EQ(sizes.width(Place::kMlpGate), 24);
  EXPECT_EQ(sizes.linears.size(), 14u);
  EXPECT_EQ(sizes.linears[1].path, "model.layers.0.self_attn.k_proj");
  // Two matrices of 64 x 32, the last norm, and per layer 3,072 + 2,304 + two norms.
  EXPECT_EQ(sizes.parameters, 2 * 2048 + 32 + 2 * (3072 + 2304 + 64));
  EXPECT_FALSE(sizes.layer_norms);
}

TEST(ModelSizes, ReadsAGpt2WithItsTransposedMatricesAndTiedHead) {
  const ModelSizes sizes = model_sizes(tiny_model("gpt2"));
  EXPECT_EQ(sizes.layers, 2);
  EXPECT_EQ(sizes.hidden, 16);
  EXPECT_EQ(sizes.width(Place::kQueryKeyValue), 48);
  EXPECT_EQ(sizes.width(Place::kMlpUp), 64);
  EXPECT_EQ(sizes.linears[0].path, "transformer.h.0.attn.c_attn");
  EXPECT_EQ(sizes.positions, 48);
  EXPECT_TRUE(sizes.layer_norms);
  // 64 + 48 rows of 16, the last norm, and per layer 3,072 weights, 144 biases and two norms.
  EXPECT_EQ(sizes.parameters, 112 * 16 + 32 + 2 * (3072 + 144 + 64));
}

TEST(ModelSizes, KnowsNormsOnHeads) {
  EXPECT_TRUE(model_sizes(tiny_model("qwen3")).head_norms);
  EXPECT_FALSE(model_sizes(tiny_model("qwen2")).head_norms);
}

TEST(ModelSizes, TakesFusedProjectionsApart) {
  const ModelSizes sizes = model_sizes(tiny_model("phi3"));
  EXPECT_EQ(sizes.width(Place::kQueryKeyValue), 32);
  EXPECT_EQ(sizes.query_width(), 16);
  EXPECT_EQ(sizes.key_width(), 8);
  EXPECT_EQ(sizes.mlp_width(), sizes.width(Place::kMlpGateUp) / 2);
  EXPECT_TRUE(sizes.is_gated());
}

TEST(ModelSizes, KnowsNormsBehindBranches) {
  EXPECT_TRUE(model_sizes(tiny_model("gemma2")).branch_norms);
  EXPECT_FALSE(model_sizes(tiny_model("gemma")).branch_norms);
}

TEST(ModelSizes, KnowsEmbeddingsThatAreNarrowerThanTheBlocks) {
  const ModelSizes sizes = model_sizes(tiny_model("opt-post-norm"));
  EXPECT_EQ(sizes.embedding_width, 12);
  EXPECT_EQ(sizes.hidden, 16);
}

TEST(ModelSizes, CountsTheExpertsThatATokenMeets) {
  const ModelSizes sizes = model_sizes(tiny_model("qwen3-moe"));
  EXPECT_EQ(sizes.expert_width, 2 * 8);
  EXPECT_TRUE(sizes.is_gated());
}

TEST(ModelSizes, KnowsHowFarARopeIsStretched) {
  EXPECT_EQ(model_sizes(tiny_model("llama-dynamic-rope")).positions, 8 * 4);
  EXPECT_EQ(model_sizes(tiny_model("llama-linear-rope")).positions, 64 * 3);
  EXPECT_EQ(model_sizes(tiny_model("llama-yarn-rope")).positions, 512);
  EXPECT_EQ(model_sizes(tiny_model("llama3-rope")).positions, 512);
}

TEST(ModelSizes, CountsATiedHeadOnce) {
  const ModelSizes sizes = model_sizes(tiny_model("qwen2"));
  EXPECT_EQ(sizes.stored.at(Dtype::kF32), sizes.parameters);
  EXPECT_EQ(sizes.parameters, 64 * 16 + 16 + 2 * (2 * 16 * 16 + 2 * 16 * 8 + 32 + 32 + 1152));
}

TEST(ComputingDtype, IsWhatTheConfigSays) {
  const HfDirectory model = tiny_model("llama-bfloat16");
  EXPECT_EQ(computing_dtype("float32", model, /*on_gpu=*/false), Dtype::kF32);
  EXPECT_EQ(computing_dtype("float16", model, /*on_gpu=*/false), Dtype::kF16);
  EXPECT_EQ(computing_dtype("auto", model, /*on_gpu=*/true), Dtype::kBF16);
}

TEST(AdapterSizes, CountsEveryTarget) {
  const ModelSizes model = model_sizes(tiny_model("llama"));
  const Json adapter = run_of({{"r", 2}}).values["adapter"];
  const AdapterSizes sizes = adapter_sizes(model, adapter);
  EXPECT_EQ(sizes.targets.size(), 14u);
  // Per layer r times: q and o 64, k and v 48, the three of the MLP 56.
  EXPECT_EQ(sizes.parameters, 2 * 2 * (2 * 64 + 2 * 48 + 3 * 56));
}

TEST(AdapterSizes, FollowsNamesLayersAndRankPatterns) {
  const ModelSizes model = model_sizes(tiny_model("llama"));
  const Json adapter = run_of({{"r", 2},
                               {"target_modules", {"q_proj", "lm_head"}},
                               {"rank_pattern", {{"layers.1.self_attn.q_proj", 3}}}})
                           .values["adapter"];
  const AdapterSizes sizes = adapter_sizes(model, adapter);
  ASSERT_EQ(sizes.targets.size(), 3u);
  EXPECT_EQ(sizes.targets[1].rank, 3);
  EXPECT_EQ(sizes.targets[2].linear.path, "lm_head");
  EXPECT_EQ(sizes.parameters, 2 * 64 + 3 * 64 + 2 * 96);
}

TEST(AdapterSizes, RefusesTargetsThatAreNotThere) {
  const ModelSizes model = model_sizes(tiny_model("gpt2"));
  const Json adapter = run_of({{"target_modules", {"q_proj"}}}).values["adapter"];
  try {
    adapter_sizes(model, adapter);
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_STREQ(error.what(),
                 "adapter.target_modules: [\"q_proj\"] matches no module; available: c_attn, c_fc, "
                 "c_proj; \"all-linear\" would pick 8 modules");
  }
}

}  // namespace
}  // namespace peft
