#include "peft/kernels/column_gain.h"

#include "compare.h"

namespace peft {
namespace {

Tensor fused_gain(const std::vector<Tensor>& in) {
  return column_gain(in[0], in[1]);
}
Tensor plain_gain(const std::vector<Tensor>& in) {
  return in[0] * in[1];
}

TEST(ColumnGain, EqualsTheProductAtEveryWidth) {
  for (const int64_t width : {1, 7, 64}) {
    SCOPED_TRACE(width);
    expect_same_function(fused_gain, plain_gain, {normal({17, width}, 1), normal({width}, 2) + 2});
  }
}

TEST(ColumnGain, TakesSmallAndNegativeGains) {
  expect_same_function(fused_gain, plain_gain,
                       {normal({5, 3}, 1), values({1e-6F, -0.5F, 4.0F}, {3})});
}

TEST(ColumnGain, HasNoGradientWhereAGainIsZero) {
  const Tensor gain = values({0.0F, 1.0F}, {2}).requires_grad_(true);
  column_gain(normal({4, 2}, 1), gain).sum().backward();
  EXPECT_EQ(gain.grad()[0].item<float>(), 0.0F);
  EXPECT_TRUE(gain.grad().isfinite().all().item<bool>());
}

}  // namespace
}  // namespace peft
