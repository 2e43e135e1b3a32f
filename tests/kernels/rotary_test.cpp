#include "peft/kernels/rotary.h"

#include "compare.h"

namespace peft {
namespace {

struct Angles {
  Tensor cos;
  Tensor sin;
};

Angles angles(int64_t rows, int64_t half) {
  const Tensor a = normal({rows, half}, /*seed=*/5);
  return {a.cos(), a.sin()};
}

void expect_same(const Tensor& x, int64_t half) {
  const Angles a = angles(x.size(0), half);
  expect_same_function([&](const auto& in) { return rotary(in[0], a.cos, a.sin); },
                       [&](const auto& in) { return rotary_reference(in[0], a.cos, a.sin); }, {x});
}

TEST(Rotary, TurnsDimensionIWithIPlusHalf) {
  const Tensor x = values({1, 2, 3, 4, 5}, {1, 1, 5});
  const Tensor cos = values({0, 1}, {1, 2});
  const Tensor sin = values({1, 0}, {1, 2});
  expect_close(rotary(x, cos, sin), values({-3, 2, 1, 4, 5}, {1, 1, 5}));
}

TEST(Rotary, EqualsTheReferenceWholeAndPartial) {
  expect_same(normal({9, 3, 64}, 1), 32);
  expect_same(normal({9, 3, 64}, 1), 8);
  expect_same(normal({7, 2, 22}, 1), 11);
  expect_same(normal({7, 2, 23}, 1), 5);
}

TEST(Rotary, TakesOneRowNoneAndStrides) {
  expect_same(normal({1, 1, 16}, 1), 8);
  expect_same(normal({0, 2, 16}, 1), 8);
  expect_same(normal({6, 5, 16}, 1).narrow(1, 1, 3), 8);  // heads of a fused projection
  expect_same(normal({16, 4, 6}, 1).permute({2, 1, 0}), 8);
}

TEST(Rotary, KeepsBfloat16) {
  const Tensor x = normal({4, 2, 16}, 1, at::kBFloat16);
  const Angles a = angles(4, 8);
  const Tensor y = rotary(x, a.cos, a.sin);
  EXPECT_EQ(y.scalar_type(), at::kBFloat16);
  expect_close(y.to(at::kFloat), rotary(x.to(at::kFloat), a.cos, a.sin), /*rtol=*/2e-2,
               /*atol=*/3e-2);  // bfloat16 has 8 bits
}

}  // namespace
}  // namespace peft
