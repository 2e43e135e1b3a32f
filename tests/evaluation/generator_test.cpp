#include "peft/evaluation/generator.h"

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

}  // namespace
}  // namespace peft
