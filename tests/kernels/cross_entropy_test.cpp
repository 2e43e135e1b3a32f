#include "peft/kernels/cross_entropy.h"

#include <cmath>
#include <limits>

#include "compare.h"

namespace peft {
namespace {

struct HeadCase {
  explicit HeadCase(int64_t rows = 37, int64_t vocabulary = 103, at::ScalarType dtype = at::kFloat)
      : hidden(normal({rows, 12}, 1, dtype)),
        weight(normal({vocabulary, 12}, 2, dtype)),
        bias(normal({vocabulary}, 3, dtype)),
        targets(at::arange(rows, at::TensorOptions(at::kLong)).mul(31).remainder(vocabulary)) {}

  // Every third row, and the last, is not scored.
  HeadCase& masked() {
    targets.slice(0, 0, targets.size(0), 3).fill_(kNotScored);
    targets.slice(0, targets.size(0) - 1).fill_(kNotScored);
    return *this;
  }

  Tensor hidden;
  Tensor weight;
  Tensor bias;
  Tensor targets;
};

void expect_same(const HeadCase& c, const CrossEntropyOptions& options = {},
                 double tolerance = 1e-5) {
  expect_same_function(
      [&](const auto& in) {
        return head_cross_entropy(in[0], in[1], in[2], c.targets, options).sum;
      },
      [&](const auto& in) {
        return head_cross_entropy_reference(in[0], in[1], in[2], c.targets, options).sum;
      },
      {c.hidden, c.weight, c.bias}, tolerance, tolerance);
}

TEST(HeadCrossEntropy, ComputesTheFormula) {
  const Tensor hidden = values({1, 0}, {1, 2});
  const Tensor weight = values({0, 5, 1, 7}, {2, 2});  // logits 0 and 1
  const HeadLoss loss = head_cross_entropy(hidden, weight, Tensor(), at::tensor({0}, at::kLong));
  expect_close(loss.sum, values({1.3132617F}, {}));  // log(1 + e)
  EXPECT_EQ(loss.tokens, 1);
  EXPECT_FALSE(loss.correct.defined());
}

TEST(HeadCrossEntropy, EqualsTheReferenceInAnyChunks) {
  for (const int64_t chunk : {0, 1, 5, 37, 1000}) {
    SCOPED_TRACE(chunk);
    expect_same(HeadCase(), {.chunk_rows = chunk});
    expect_same(HeadCase().masked(), {.chunk_rows = chunk});
  }
}

TEST(HeadCrossEntropy, EqualsTheReferenceAtOddVocabularies) {
  for (const int64_t vocabulary : {2, 7, 8, 31, 33, 1000, 5003}) {
    SCOPED_TRACE(vocabulary);
    expect_same(HeadCase(11, vocabulary).masked());
  }
}

TEST(HeadCrossEntropy, AgreesInFloat64) {
  expect_same(HeadCase(9, 20, at::kDouble).masked(), {.chunk_rows = 4, .softcap = 3}, 1e-10);
}

TEST(HeadCrossEntropy, CapsLogits) {
  expect_same(HeadCase().masked(), {.chunk_rows = 8, .softcap = 2.5});
}

TEST(HeadCrossEntropy, WeighsRows) {
  const Tensor weights = at::arange(37, at::kFloat).remainder(5).mul_(0.5);
  for (const int64_t chunk : {0, 5}) {
    SCOPED_TRACE(chunk);
    expect_same(HeadCase(), {.chunk_rows = chunk, .weights = weights});
    expect_same(HeadCase().masked(), {.chunk_rows = chunk, .softcap = 2.5, .weights = weights});
  }
}

TEST(HeadCrossEntropy, SurvivesLargeLogits) {
  HeadCase c;
  c.hidden.mul_(1000);
  const double sum = head_cross_entropy(c.hidden, c.weight, c.bias, c.targets).sum.item<double>();
  const double expected =
      head_cross_entropy_reference(c.hidden, c.weight, c.bias, c.targets).sum.item<double>();
  EXPECT_NEAR(sum / expected, 1.0, 1e-5);
}

TEST(HeadCrossEntropy, ShowsNotANumber) {
  HeadCase c;
  c.hidden[4][3] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(
      std::isnan(head_cross_entropy(c.hidden, c.weight, c.bias, c.targets).sum.item<double>()));
}

TEST(HeadCrossEntropy, CountsRowsWhoseLargestLogitIsTheTarget) {
  HeadCase c;
  const Tensor best = at::matmul(c.hidden, c.weight.t()).add_(c.bias).argmax(1);
  c.targets.slice(0, 0, 20).copy_(best.slice(0, 0, 20));
  c.targets.slice(0, 0, 5).fill_(kNotScored);
  const CrossEntropyOptions options{.chunk_rows = 6, .count_correct = true};
  const HeadLoss loss = head_cross_entropy(c.hidden, c.weight, c.bias, c.targets, options);
  EXPECT_EQ(loss.tokens, 32);
  EXPECT_EQ(loss.correct.item<int64_t>(), 15);
}

TEST(HeadCrossEntropy, TakesTheFirstOfEqualLogits) {
  const Tensor hidden = at::ones({2, 1});
  const Tensor weight = at::ones({3, 1});
  const HeadLoss loss = head_cross_entropy(hidden, weight, Tensor(), at::tensor({0, 2}, at::kLong),
                                           {.count_correct = true});
  EXPECT_EQ(loss.correct.item<int64_t>(), 1);
}

TEST(HeadCrossEntropy, OfNoScoredRowIsZeroWithZeroGradients) {
  HeadCase c;
  c.targets.fill_(kNotScored);
  const Tensor hidden = trained(c.hidden);
  const HeadLoss loss = head_cross_entropy(hidden, c.weight, c.bias, c.targets);
  EXPECT_EQ(loss.tokens, 0);
  EXPECT_EQ(loss.sum.item<float>(), 0.0F);
  torch::autograd::backward({loss.sum});
  expect_close(hidden.grad(), at::zeros_like(c.hidden));
}

TEST(HeadCrossEntropy, NeedsNoGradientWhereNothingTrains) {
  const HeadCase c;
  EXPECT_FALSE(head_cross_entropy(c.hidden, c.weight, c.bias, c.targets).sum.requires_grad());
}

TEST(HeadCrossEntropy, GivesTheGradientTwiceForAKeptGraph) {
  const HeadCase c;
  const Tensor hidden = trained(c.hidden);
  const Tensor sum = head_cross_entropy(hidden, c.weight, c.bias, c.targets).sum;
  torch::autograd::backward({sum}, {}, /*retain_graph=*/true);
  const Tensor once = hidden.grad().clone();
  torch::autograd::backward({sum});
  expect_close(hidden.grad(), once * 2);
}

TEST(HeadCrossEntropy, TakesABfloat16Head) {
  const HeadCase c;
  const Tensor half = c.weight.to(at::kBFloat16);
  expect_same_function(
      [&](const auto& in) { return head_cross_entropy(in[0], half, Tensor(), c.targets).sum; },
      [&](const auto& in) {
        return head_cross_entropy_reference(in[0], half, Tensor(), c.targets).sum;
      },
      {c.hidden});
}

TEST(HeadCrossEntropy, AgreesInBfloat16) {
  expect_same(HeadCase(9, 20, at::kBFloat16).masked(), {}, /*tolerance=*/5e-2);  // 8 bits
}

TEST(HeadCrossEntropy, DifferentiatesAHeadWithHooks) {
  const HeadCase c = HeadCase().masked();
  const CrossEntropyOptions options{
      .chunk_rows = 7, .count_correct = true, .weights = normal({37}, 4).abs()};
  expect_same_function(
      [&](const auto& in) {
        const auto head = [&](const Tensor& rows) { return at::linear(rows, in[1], in[2]); };
        return head_cross_entropy(in[0], head, {in[1], in[2]}, 103, c.targets, options).sum;
      },
      [&](const auto& in) {
        return head_cross_entropy_reference(in[0], in[1], in[2], c.targets, options).sum;
      },
      {c.hidden, c.weight, c.bias});
}

}  // namespace
}  // namespace peft
