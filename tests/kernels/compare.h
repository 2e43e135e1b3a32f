#pragma once

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <functional>
#include <string>
#include <vector>

#include "peft/kernels/tensor.h"

namespace peft {

/// |actual - expected| <= atol + rtol |expected|, element by element, with equal dtype and shape.
inline void expect_close(const Tensor& actual, const Tensor& expected, double rtol = 1e-5,
                         double atol = 1e-5) {
  ASSERT_TRUE(actual.defined());
  ASSERT_TRUE(expected.defined());
  EXPECT_EQ(actual.scalar_type(), expected.scalar_type());
  ASSERT_EQ(actual.sizes(), expected.sizes());
  const Tensor a = actual.detach().to(at::kDouble);
  const Tensor e = expected.detach().to(at::kDouble);
  const bool close = at::allclose(a, e, rtol, atol);
  EXPECT_TRUE(close) << "largest difference " << (a - e).abs().max().item<double>();
}

/// A float32 tensor with these numbers.
inline Tensor values(const std::vector<float>& numbers, at::IntArrayRef sizes) {
  return at::tensor(numbers).view(sizes);
}

/// Normal random numbers with the test's own seed.
inline Tensor normal(at::IntArrayRef sizes, uint64_t seed, at::ScalarType dtype = at::kFloat) {
  at::manual_seed(seed);
  return at::randn(sizes, at::TensorOptions(at::kDouble)).to(dtype);
}

/// A leaf of its own with these values that requires a gradient.
inline Tensor trained(const Tensor& x) {
  return x.detach().clone().requires_grad_(true);
}

/// Output of `function` on leaves with the inputs' values and strides, then the gradients of a
/// fixed random weighting of that output.
inline std::vector<Tensor> output_and_gradients(
    const std::function<Tensor(const std::vector<Tensor>&)>& function,
    const std::vector<Tensor>& inputs) {
  std::vector<Tensor> leaves;
  for (const Tensor& input : inputs) {
    leaves.push_back(input.detach().requires_grad_(true));
  }
  const Tensor output = function(leaves);
  const Tensor weights = normal(output.sizes(), /*seed=*/99, output.scalar_type());
  std::vector<Tensor> results = torch::autograd::grad({output}, leaves, {weights});
  results.insert(results.begin(), output);
  return results;
}

/// Both functions give the same output and the same gradients.
inline void expect_same_function(const std::function<Tensor(const std::vector<Tensor>&)>& actual,
                                 const std::function<Tensor(const std::vector<Tensor>&)>& expected,
                                 const std::vector<Tensor>& inputs, double rtol = 1e-5,
                                 double atol = 1e-5) {
  const std::vector<Tensor> a = output_and_gradients(actual, inputs);
  const std::vector<Tensor> e = output_and_gradients(expected, inputs);
  for (size_t i = 0; i < a.size(); ++i) {
    SCOPED_TRACE(i == 0 ? "output" : "gradient of input " + std::to_string(i - 1));
    expect_close(a[i], e[i], rtol, atol);
  }
}

}  // namespace peft
