#include "peft/kernels/swiglu.h"

#include "compare.h"

namespace peft {
namespace {

Tensor fused_swiglu(const std::vector<Tensor>& in) {
  return swiglu(in[0], in[1]);
}
Tensor plain_swiglu(const std::vector<Tensor>& in) {
  return swiglu_reference(in[0], in[1]);
}

TEST(Swiglu, EqualsTheReferenceAtEveryWidth) {
  for (const int64_t width : {1, 7, 8, 19, 1536}) {
    SCOPED_TRACE(width);
    expect_same_function(fused_swiglu, plain_swiglu,
                         {normal({17, width}, 1) * 4, normal({17, width}, 2)});
  }
}

TEST(Swiglu, SurvivesLargeGates) {
  const Tensor gate = values({-1e4F, -100, -87.5F, 0, 88.5F, 100, 1e4F}, {1, 7});
  expect_same_function(fused_swiglu, plain_swiglu, {gate, at::ones({1, 7})});
}

TEST(Swiglu, TakesHalvesOfAFusedProjection) {
  const Tensor both = normal({6, 40}, 1);
  expect_same_function(fused_swiglu, plain_swiglu, {both.narrow(1, 0, 20), both.narrow(1, 20, 20)});
}

TEST(Swiglu, TakesOneRowAndNone) {
  expect_same_function(fused_swiglu, plain_swiglu, {normal({1, 9}, 1), normal({1, 9}, 2)});
  expect_same_function(fused_swiglu, plain_swiglu, {normal({0, 9}, 1), normal({0, 9}, 2)});
}

TEST(Swiglu, EqualsTheReferenceInBfloat16) {
  expect_same_function(fused_swiglu, plain_swiglu,
                       {normal({3, 16}, 1, at::kBFloat16), normal({3, 16}, 2, at::kBFloat16)},
                       /*rtol=*/2e-2, /*atol=*/2e-2);  // bfloat16 has 8 bits
}

}  // namespace
}  // namespace peft
