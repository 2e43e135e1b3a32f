#include "peft/kernels/dropout.h"

#include "compare.h"

namespace peft {
namespace {

Tensor keys_of(int64_t first, int64_t rows) {
  return at::arange(first, first + rows, at::TensorOptions(at::kLong));
}

TEST(KeyedDropout, KeepsAndScalesTheRest) {
  const Tensor y = keyed_dropout(at::ones({1000, 101}), keys_of(0, 1000), 7, /*p=*/0.25);
  const Tensor kept = y != 0;
  // 101000 draws: three standard deviations of the mean are 0.0041.
  EXPECT_NEAR(kept.to(at::kFloat).mean().item<double>(), 0.75, 0.0041);
  expect_close(y.masked_select(kept), at::full({kept.sum().item<int64_t>()}, 1.0F / 0.75F));
}

TEST(KeyedDropout, DrawsTheSameForAKeyInAnyBatch) {
  const Tensor all = keyed_dropout(at::ones({50, 33}), keys_of(100, 50), 7, 0.5);
  const Tensor some = keyed_dropout(at::ones({5, 33}), keys_of(120, 5), 7, 0.5);
  EXPECT_TRUE(all.narrow(0, 20, 5).equal(some));
}

TEST(KeyedDropout, DrawsOtherwiseForOtherKeysLayersAndColumns) {
  const Tensor a = keyed_dropout_mask(keys_of(0, 400), 64, 1, 0.5) > 0;
  const Tensor b = keyed_dropout_mask(keys_of(0, 400), 64, 2, 0.5) > 0;
  const auto agreement = [](const Tensor& x, const Tensor& y) {
    return (x == y).to(at::kFloat).mean().item<double>();
  };
  // 25600 fair coins: four standard deviations are 0.0125.
  EXPECT_NEAR(agreement(a, b), 0.5, 0.0125);
  EXPECT_NEAR(agreement(a.narrow(0, 0, 399), a.narrow(0, 1, 399)), 0.5, 0.0125);
  EXPECT_NEAR(agreement(a.narrow(1, 0, 63), a.narrow(1, 1, 63)), 0.5, 0.0125);
}

TEST(KeyedDropout, FastPathAndTensorOperatorsDrawTheSameMask) {
  const Tensor keys = at::tensor(std::vector<int64_t>{-5, 0, 1, INT64_MAX, INT64_MIN}, at::kLong);
  for (const int64_t width : {1, 2, 17, 576}) {
    const Tensor fast = keyed_dropout(at::ones({5, width}), keys, -3, 0.3);
    EXPECT_TRUE(fast.equal(keyed_dropout_mask(keys, width, -3, 0.3)));
  }
}

TEST(KeyedDropout, MasksTheGradientAlike) {
  const Tensor keys = keys_of(3, 9);
  const Tensor mask = keyed_dropout_mask(keys, 21, 4, 0.4);
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble}) {
    expect_same_function([&](const auto& in) { return keyed_dropout(in[0], keys, 4, 0.4); },
                         [&](const auto& in) { return in[0] * mask.to(dtype); },
                         {normal({9, 21}, 1, dtype)});
  }
}

TEST(KeyedDropout, OfProbabilityZeroIsTheInput) {
  const Tensor x = normal({2, 3}, 1);
  EXPECT_TRUE(keyed_dropout(x, keys_of(0, 2), 1, 0).is_same(x));
}

TEST(KeyedDropout, TakesNoRows) {
  EXPECT_EQ(keyed_dropout(at::ones({0, 4}), keys_of(0, 0), 1, 0.5).size(0), 0);
}

TEST(MixKeys, TellsItsArgumentsApart) {
  EXPECT_NE(mix_keys(1, 2), mix_keys(2, 1));
  EXPECT_NE(mix_keys(0, 0), mix_keys(0, 1));
  EXPECT_EQ(mix_keys(17, 4), mix_keys(17, 4));
}

}  // namespace
}  // namespace peft
