// Models with a classification head, against transformers.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "peft/models/load.h"
#include "support/fixtures.h"

namespace peft {
namespace {

class Classifier : public testing::TestWithParam<const char*> {
 protected:
  std::filesystem::path folder_ = fixture(std::string("classifiers/") + GetParam());
  std::unique_ptr<CausalLM> model_ = load_model(HfDirectory(folder_), at::kFloat, at::kCPU);
  std::map<std::string, Tensor> expected_ = read_tensors(folder_ / "reference.safetensors");

  Example example(int k) const {
    Example row;
    row.ids = ids_of(expected_.at("ids." + std::to_string(k)));
    row.labels = std::vector<int32_t>(row.ids.size(), kIgnored);
    row.label = k % 3;
    if (const auto types = expected_.find("types." + std::to_string(k)); types != expected_.end()) {
      row.second_type = types->second.argmax().item<int64_t>();
    }
    return row;
  }
};

TEST_P(Classifier, GivesTheReferencesLogitsAloneAndTogether) {
  const at::NoGradGuard no_grad;
  const std::vector<Example> rows = {example(0), example(1), example(2)};
  const std::vector<const Example*> all = {&rows[0], &rows[1], &rows[2]};
  const Tensor together = model_->logits(make_batch(all));
  for (int k = 0; k < 3; ++k) {
    const Tensor expected = expected_.at("logits." + std::to_string(k)).unsqueeze(0);
    const std::vector<const Example*> alone = {&rows[static_cast<size_t>(k)]};
    expect_same_logits(model_->logits(make_batch(alone)), expected);
    expect_same_logits(together.narrow(0, k, 1), expected);
  }
}

TEST_P(Classifier, IsScoredByTheCrossEntropyOfItsClasses) {
  const at::NoGradGuard no_grad;
  const std::vector<Example> rows = {example(0), example(1), example(2)};
  const std::vector<const Example*> all = {&rows[0], &rows[1], &rows[2]};
  const HeadLoss loss = model_->loss(make_batch(all), /*count_correct=*/true);
  const Tensor logits =
      at::stack({expected_.at("logits.0"), expected_.at("logits.1"), expected_.at("logits.2")});
  const Tensor classes = at::tensor({0, 1, 2}, at::kLong);
  EXPECT_EQ(loss.tokens, 3);
  EXPECT_NEAR(loss.sum.item<double>(),
              at::cross_entropy_loss(logits, classes, {}, at::Reduction::Sum).item<double>(), 1e-4);
  EXPECT_EQ(loss.correct.item<int64_t>(), (logits.argmax(1) == classes).sum().item<int64_t>());
}

INSTANTIATE_TEST_SUITE_P(Heads, Classifier,
                         testing::Values("bert", "roberta", "llama", "gpt2", "gemma2"));

}  // namespace
}  // namespace peft
