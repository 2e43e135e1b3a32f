#include "peft/kernels/linear.h"

#include "compare.h"
#include "peft/kernels/lora_linear.h"

namespace peft {
namespace {

constexpr double kScale = 2.0;

struct LoraCase {
  Tensor x = normal({13, 24}, 1);
  Tensor weight = normal({40, 24}, 2);
  Tensor bias = normal({40}, 3);
  Tensor A = normal({4, 24}, 4);
  Tensor B = normal({40, 4}, 5);
};

TEST(FrozenLinear, EqualsTheReference) {
  const LoraCase c;
  expect_same_function([&](const auto& in) { return frozen_linear(in[0], c.weight, c.bias); },
                       [&](const auto& in) { return linear_reference(in[0], c.weight, c.bias); },
                       {c.x});
  expect_same_function([&](const auto& in) { return frozen_linear(in[0], c.weight, Tensor()); },
                       [&](const auto& in) { return linear_reference(in[0], c.weight, Tensor()); },
                       {c.x});
}

TEST(FrozenLinear, TakesTheTransposedLayout) {
  const LoraCase c;
  const Tensor stored = c.weight.t().contiguous();
  expect_same_function(
      [&](const auto& in) { return frozen_linear(in[0], stored, c.bias, WeightLayout::kInOut); },
      [&](const auto& in) { return linear_reference(in[0], c.weight, c.bias); }, {c.x});
}

TEST(FrozenLinear, TakesOneRowNoneAndStrides) {
  const LoraCase c;
  for (const Tensor& x : {c.x.narrow(0, 0, 1), c.x.narrow(0, 0, 0), normal({24, 5}, 6).t()}) {
    expect_same_function([&](const auto& in) { return frozen_linear(in[0], c.weight, c.bias); },
                         [&](const auto& in) { return linear_reference(in[0], c.weight, c.bias); },
                         {x});
  }
}

TEST(FrozenLinear, CastsAWeightOfAnotherType) {
  const LoraCase c;
  const Tensor half = c.weight.to(at::kBFloat16);
  expect_same_function(
      [&](const auto& in) { return frozen_linear(in[0], half, c.bias); },
      [&](const auto& in) { return linear_reference(in[0], half.to(at::kFloat), c.bias); }, {c.x});
}

TEST(FrozenLinear, NeedsNoGradientWhereNothingTrains) {
  const LoraCase c;
  EXPECT_FALSE(frozen_linear(c.x, c.weight, c.bias).requires_grad());
}

TEST(FrozenLinear, TrainsAWeightThatRequiresAGradient) {
  const LoraCase c;
  expect_same_function([](const auto& in) { return frozen_linear(in[0], in[1], in[2]); },
                       [](const auto& in) { return at::linear(in[0], in[1], in[2]); },
                       {c.x, c.weight, c.bias});
}

TEST(LoraLinear, EqualsTheReference) {
  const LoraCase c;
  expect_same_function(
      [&](const auto& in) { return lora_linear(in[0], c.weight, c.bias, in[1], in[2], kScale); },
      [&](const auto& in) {
        return lora_linear_reference(in[0], c.weight, c.bias, in[1], in[2], kScale);
      },
      {c.x, c.A, c.B});
}

TEST(LoraLinear, TakesTheTransposedLayoutAndNoBias) {
  const LoraCase c;
  const Tensor stored = c.weight.t().contiguous();
  expect_same_function(
      [&](const auto& in) {
        return lora_linear(in[0], stored, Tensor(), in[1], in[2], kScale, WeightLayout::kInOut);
      },
      [&](const auto& in) {
        return lora_linear_reference(in[0], c.weight, Tensor(), in[1], in[2], kScale);
      },
      {c.x, c.A, c.B});
}

TEST(LoraLinear, TakesAnInputOfItsOwnForTheAdapter) {
  const LoraCase c;
  const auto run = [&](const auto& lora) {
    return [&c, lora](const std::vector<Tensor>& in) {
      return lora(in[0], c.weight, c.bias, in[1], in[2], kScale, WeightLayout::kOutIn, in[3]);
    };
  };
  expect_same_function(run(lora_linear), run(lora_linear_reference),
                       {c.x, c.A, c.B, normal({13, 24}, 7)});
}

TEST(LoraLinear, TrainsWithoutAGradientOfItsInput) {
  const LoraCase c;
  const Tensor A = trained(c.A);
  const Tensor B = trained(c.B);
  torch::autograd::backward({lora_linear(c.x, c.weight, c.bias, A, B, kScale).square().sum()});
  const Tensor A2 = trained(c.A);
  const Tensor B2 = trained(c.B);
  const Tensor y = lora_linear_reference(c.x, c.weight, c.bias, A2, B2, kScale);
  torch::autograd::backward({y.square().sum()});
  expect_close(A.grad(), A2.grad(), 1e-5, 1e-3);  // sums of squares reach thousands
  expect_close(B.grad(), B2.grad(), 1e-5, 1e-3);
}

TEST(LoraLinear, TakesNoRows) {
  const LoraCase c;
  const Tensor A = trained(c.A);
  const Tensor y = lora_linear(c.x.narrow(0, 0, 0), c.weight, c.bias, A, trained(c.B), kScale);
  torch::autograd::backward({y.sum()});
  expect_close(A.grad(), at::zeros_like(c.A));
}

TEST(LoraLinear, AddsTheAdapterInFloat32ToABfloat16Host) {
  const LoraCase c;
  const Tensor x = c.x.to(at::kBFloat16);
  const Tensor weight = c.weight.to(at::kBFloat16);
  expect_same_function(
      [&](const auto& in) { return lora_linear(in[0], weight, Tensor(), in[1], in[2], kScale); },
      [&](const auto& in) {
        return lora_linear_reference(in[0], weight, Tensor(), in[1], in[2], kScale);
      },
      {x, c.A, c.B});
}

TEST(LoraLinear, TrainsAnUnfrozenWeightToo) {
  const LoraCase c;
  expect_same_function(
      [&](const auto& in) { return lora_linear(in[0], in[3], c.bias, in[1], in[2], kScale); },
      [&](const auto& in) {
        return lora_linear_reference(in[0], in[3], c.bias, in[1], in[2], kScale);
      },
      {c.x, c.A, c.B, c.weight});
}

}  // namespace
}  // namespace peft
