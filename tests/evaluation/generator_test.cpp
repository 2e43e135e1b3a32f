#include "peft/evaluation/generator.h"

#include "peft/config/adapter_config.h"
#include "peft/methods/registry.h"
#include "support/fixtures.h"

namespace peft {
namespace {

TEST(Generate, StopsAtAStopTokenAndLeavesItOut) {
  const auto model = fixture_model("llama");
  const std::vector<std::vector<int32_t>> prompt = {{3, 14, 15}};
  const auto free = generate(*model, prompt, {.max_new_tokens = 5}, at::kCPU)[0];
  ASSERT_EQ(free.ids.size(), 5u);
  EXPECT_EQ(free.stop, "length");
  const int32_t third = free.ids[2];
  const auto first = std::find(free.ids.begin(), free.ids.end(), third) - free.ids.begin();
  const auto stopped =
      generate(*model, prompt, {.max_new_tokens = 5, .stop_ids = {third}}, at::kCPU)[0];
  EXPECT_EQ(stopped.stop, "eos");
  EXPECT_EQ(stopped.ids, std::vector<int32_t>(free.ids.begin(), free.ids.begin() + first));
}

TEST(Generate, SamplesTheSameForTheSameSeedAlone) {
  const auto model = fixture_model("llama");
  const auto sample = [&](uint64_t seed) {
    return generate(*model, {{3, 14}},
                    {.max_new_tokens = 16, .temperature = 2.0, .top_p = 0.95, .seed = seed},
                    at::kCPU)[0]
        .ids;
  };
  EXPECT_EQ(sample(1), sample(1));
  EXPECT_NE(sample(1), sample(2));
}

TEST(Generate, IsGreedyWhenTheNucleusHoldsOneToken) {
  const auto model = fixture_model("llama");
  const auto greedy = generate(*model, {{3, 14}}, {.max_new_tokens = 8}, at::kCPU)[0].ids;
  const auto nucleus =
      generate(*model, {{3, 14}}, {.max_new_tokens = 8, .temperature = 1.0, .top_p = 1e-9},
               at::kCPU)[0]
          .ids;
  EXPECT_EQ(greedy, nucleus);
}

TEST(Generate, StopsWhereTheModelHasNoMorePositions) {
  const auto model = fixture_model("gpt2");
  const int64_t positions = model->shape().max_positions;
  const std::vector<int32_t> prompt(static_cast<size_t>(positions) - 2, 5);
  const auto result = generate(*model, {prompt}, {.max_new_tokens = 10}, at::kCPU)[0];
  EXPECT_EQ(result.stop, "positions");
  EXPECT_EQ(result.ids.size(), 3u);
  EXPECT_THROW(generate(*model, {std::vector<int32_t>(static_cast<size_t>(positions), 5)},
                        {.max_new_tokens = 1}, at::kCPU),
               DataError);
}

TEST(Generate, RefusesAnEmptyPrompt) {
  const auto model = fixture_model("llama");
  EXPECT_THROW(generate(*model, {{}}, {}, at::kCPU), DataError);
}

/// LoRA adapters of one model with different noise, suspended.
std::vector<std::unique_ptr<Adapter>> noisy_adapters(CausalLM& model,
                                                     const std::vector<uint64_t>& seeds) {
  const Json config =
      complete_adapter_config({{"peft_type", "LORA"}, {"target_modules", "all-linear"}});
  std::vector<std::unique_ptr<Adapter>> adapters;
  for (const uint64_t seed : seeds) {
    adapters.push_back(attach_adapter(model, config, /*seed=*/0));
    const at::NoGradGuard no_grad;
    for (auto [name, tensor] : adapters.back()->trainable()) {
      tensor.normal_(0.0, 0.3, tensor_generator(seed, name));
    }
    adapters.back()->suspend();
  }
  return adapters;
}

TEST(GenerateTogether, SaysWhatMostAdaptersSayAndTheMeanOfTwins) {
  const auto model = fixture_model("llama");
  const auto adapters = noisy_adapters(*model, {1, 2, 2});
  const std::vector<std::vector<int32_t>> prompts = {{3, 14, 15}, {9}};
  const GenerateOptions options{.max_new_tokens = 6};
  std::vector<std::vector<Generated>> alone;
  for (const auto& adapter : adapters) {
    adapter->resume();
    alone.push_back(generate(*model, prompts, options, at::kCPU));
    adapter->suspend();
  }
  ASSERT_NE(alone[0][0].ids, alone[1][0].ids);
  const std::vector<Adapter*> all = {adapters[0].get(), adapters[1].get(), adapters[2].get()};
  const std::vector<Adapter*> twins = {adapters[1].get(), adapters[2].get()};
  const auto vote = generate_together(*model, all, Ensemble::kVote, prompts, options, at::kCPU);
  const auto mean = generate_together(*model, twins, Ensemble::kMean, prompts, options, at::kCPU);
  for (size_t i = 0; i < prompts.size(); ++i) {
    EXPECT_EQ(vote[i].ids, alone[1][i].ids);
    EXPECT_EQ(mean[i].ids, alone[1][i].ids);
  }
}

}  // namespace
}  // namespace peft
