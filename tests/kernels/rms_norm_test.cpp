#include "peft/kernels/rms_norm.h"

#include "compare.h"

namespace peft {
namespace {

constexpr double kEps = 1e-5;

Tensor fused(const std::vector<Tensor>& in) {
  return rms_norm(in[0], in[1], kEps);
}
Tensor plain(const std::vector<Tensor>& in) {
  return rms_norm_reference(in[0], in[1], kEps);
}

TEST(RmsNorm, ComputesTheFormula) {
  const Tensor y = rms_norm(values({3, 4}, {1, 2}), values({1, 2}, {2}), /*eps=*/0);
  expect_close(y, values({0.8485281F, 2.2627417F}, {1, 2}));  // 3 and 4 over sqrt(12.5)
}

TEST(RmsNorm, EqualsTheReferenceAtEveryWidth) {
  for (const int64_t width : {1, 7, 8, 19, 64, 576}) {
    SCOPED_TRACE(width);
    expect_same_function(fused, plain, {normal({33, width}, 1), normal({width}, 2)});
  }
}

TEST(RmsNorm, TakesOneRowAndNone) {
  expect_same_function(fused, plain, {normal({1, 24}, 1), normal({24}, 2)});
  expect_same_function(fused, plain, {normal({0, 24}, 1), normal({24}, 2)});
}

TEST(RmsNorm, TakesHeadsAndStrides) {
  const Tensor wide = normal({5, 4, 30}, 1);
  expect_same_function(fused, plain, {wide.narrow(2, 3, 16), normal({16}, 2)});
  expect_same_function(fused, plain, {wide.select(1, 2), normal({30}, 2)});
  expect_same_function(fused, plain, {normal({16, 9}, 3).t(), normal({16}, 2)});
}

TEST(RmsNorm, GivesAFrozenWeightNoGradient) {
  const Tensor x = trained(normal({3, 8}, 1));
  const Tensor weight = normal({8}, 2);
  torch::autograd::backward({rms_norm(x, weight, kEps).sum()});
  EXPECT_TRUE(x.grad().defined());
  EXPECT_FALSE(weight.grad().defined());
}

TEST(RmsNorm, NormalisesBfloat16InFloat32) {
  const Tensor x = normal({4, 32}, 1, at::kBFloat16);
  const Tensor y = rms_norm(x, normal({32}, 2, at::kBFloat16), kEps);
  EXPECT_EQ(y.scalar_type(), at::kBFloat16);
  const Tensor exact = rms_norm(x.to(at::kFloat), normal({32}, 2), kEps);
  expect_close(y.to(at::kFloat), exact, /*rtol=*/2e-2, /*atol=*/1e-2);  // bfloat16 has 8 bits
}

}  // namespace
}  // namespace peft
