#include "peft/evaluation/evaluator.h"

#include <csignal>

#include "peft/evaluation/generator.h"
#include "peft/util/signals.h"
#include "support/fixtures.h"

namespace peft {
namespace {

std::vector<Example> examples() {
  return {{.ids = {3, 14, 15, 9}, .labels = {3, 14, kIgnored, 9}},
          {.ids = {2, 6, 5, 35, 8, 9, 7}, .labels = {2, 6, 5, 35, 8, 9, 7}},
          {.ids = {9, 3}, .labels = {kIgnored, kIgnored}}};
}

/// Loss and correct tokens by log-softmax over all logits.
std::pair<double, int64_t> by_hand(const CausalLM& model, const std::vector<Example>& rows) {
  double loss = 0.0;
  int64_t correct = 0;
  for (const Example& row : rows) {
    const Tensor p = at::log_softmax(logits_of(model, row.ids.vector()), /*dim=*/-1);
    for (size_t i = 1; i < row.ids.size(); ++i) {
      if (row.labels[i] != kIgnored) {
        const Tensor q = p[static_cast<int64_t>(i) - 1];
        loss -= q[row.labels[i]].item<double>();
        correct += q.argmax().item<int64_t>() == row.labels[i] ? 1 : 0;
      }
    }
  }
  return {loss, correct};
}

TEST(Evaluate, SumsOverTheScoredTokensWhateverTheBatches) {
  const auto model = fixture_model("llama");
  const std::vector<Example> rows = examples();
  const auto [loss, correct] = by_hand(*model, rows);
  for (const int64_t batch_tokens : {1, 8, 1000}) {
    const Evaluation result = evaluate(*model, rows, batch_tokens, at::kCPU);
    EXPECT_NEAR(result.loss_sum, loss, 1e-4);
    EXPECT_EQ(result.correct_tokens, correct);
    EXPECT_EQ(result.scored_tokens, 8);
    EXPECT_EQ(result.rows, 3);
    EXPECT_NEAR(result.perplexity(), std::exp(loss / 8.0), 1e-3);
  }
}

TEST(Evaluate, CountsEveryScoredTokenOnce) {
  const auto model = fixture_model("llama");
  std::vector<Example> rows = examples();
  const double loss = evaluate(*model, rows, 100, at::kCPU).loss_sum;
  rows[1].weights = {1, 0.5F, 2, 1, 1, 3, 1};
  EXPECT_EQ(evaluate(*model, rows, 100, at::kCPU).loss_sum, loss);
}

TEST(Evaluate, EndsWhenItIsAskedTo) {
  const auto model = fixture_model("llama");
  const std::vector<Example> rows = examples();
  listen_for_stop_signals();
  std::raise(SIGTERM);
  EXPECT_THROW(evaluate(*model, rows, 100, at::kCPU), Stopped);
  EXPECT_THROW(generate(*model, {{3, 14}}, {}, at::kCPU), Stopped);
  forget_stop_request();
  EXPECT_NO_THROW(evaluate(*model, rows, 100, at::kCPU));
}

TEST(Evaluate, RefusesDataWithNothingToScore) {
  const auto model = fixture_model("llama");
  const std::vector<Example> rows = {{.ids = {9, 3}, .labels = {kIgnored, kIgnored}}};
  EXPECT_THROW(evaluate(*model, rows, 100, at::kCPU), DataError);
}

}  // namespace
}  // namespace peft
