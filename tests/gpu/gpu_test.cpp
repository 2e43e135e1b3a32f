#include <dlfcn.h>

#include <array>

#include "kernels/compare.h"
#include "peft/kernels/attention.h"
#include "peft/kernels/cross_entropy.h"
#include "peft/kernels/cuda_table.h"
#include "peft/kernels/dropout.h"
#include "peft/kernels/linear.h"
#include "peft/kernels/lora_linear.h"
#include "peft/kernels/rms_norm.h"
#include "peft/kernels/rotary.h"
#include "peft/kernels/swiglu.h"

namespace peft {
namespace {

// Loads the plug-in before anything asks ATen for CUDA, once for all tests.
class Gpu : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    void* const library = dlopen(PEFT_CUDA_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
      problem() = dlerror();
      return;
    }
    using TableFunction = const CudaTable* (*)();
    const auto table = reinterpret_cast<TableFunction>(dlsym(library, "peft_cuda_table"))();
    set_cuda_table(table);
    problem() = table->driver().problem;
    if (problem().empty()) {
      table->select_device(0);
    }
  }

  void SetUp() override {
    if (!problem().empty()) {
      GTEST_SKIP() << problem();
    }
  }

  static std::string& problem() {
    static std::string text;
    return text;
  }
};

using Function = std::function<Tensor(const std::vector<Tensor>&)>;

std::vector<Tensor> on_gpu(const std::vector<Tensor>& tensors, at::ScalarType dtype) {
  std::vector<Tensor> moved;
  for (const Tensor& tensor : tensors) {
    moved.push_back(tensor.to(at::Device(at::kCUDA, 0), dtype));
  }
  return moved;
}

// Output and gradients on the GPU, in `dtype`, against those on the CPU in float32. The weighting
// of the output is drawn on the CPU for both.
void expect_same_on_gpu(const Function& cpu, const Function& gpu, const std::vector<Tensor>& inputs,
                        at::ScalarType dtype = at::kFloat, double tolerance = 1e-4) {
  const auto expected = output_and_gradients(cpu, inputs);
  const auto moved_back = [&](const std::vector<Tensor>& in) { return gpu(in).to(at::kCPU); };
  const auto actual = output_and_gradients(moved_back, on_gpu(inputs, dtype));
  for (size_t i = 0; i < expected.size(); ++i) {
    SCOPED_TRACE(i == 0 ? "output" : "gradient of input " + std::to_string(i - 1));
    expect_close(actual[i].to(at::kCPU, at::kFloat), expected[i], tolerance, tolerance);
  }
}

void expect_same_on_gpu(const Function& both, const std::vector<Tensor>& inputs) {
  expect_same_on_gpu(both, both, inputs);
}

void expect_same_attention(const AttentionOptions& options, at::ScalarType dtype,
                           double tolerance) {
  const std::array<int64_t, 3> query_lengths{70, 1, 130};
  const std::array<int64_t, 3> key_lengths{70, 9, 200};
  const auto on = [&](at::Device device) -> Function {
    const Segments queries = make_segments(query_lengths, device);
    const Segments keys = make_segments(key_lengths, device);
    return [=](const std::vector<Tensor>& in) {
      return attention(in[0], in[1], in[2], queries, keys, options);
    };
  };
  // Values that both dtypes hold, so that only the arithmetic differs.
  const auto rounded = [&](at::IntArrayRef sizes, uint64_t seed) {
    return normal(sizes, seed).to(dtype).to(at::kFloat);
  };
  expect_same_on_gpu(on(at::kCPU), on(at::Device(at::kCUDA, 0)),
                     {rounded({201, 6, 64}, 1), rounded({279, 2, 64}, 2), rounded({279, 2, 64}, 3)},
                     dtype, tolerance);
}

TEST_F(Gpu, HasADeviceWithMemory) {
  const GpuDevice device = cuda_table()->device(0);
  EXPECT_FALSE(device.name.empty());
  EXPECT_GT(device.memory_total, 0U);
}

TEST_F(Gpu, CountsItsMemory) {
  cuda_table()->reset_peak_memory(0);
  const int64_t before = cuda_table()->memory(0).allocated;
  {
    const Tensor block = at::empty({1 << 20}, at::Device(at::kCUDA, 0));
    EXPECT_GE(cuda_table()->memory(0).allocated, before + (1 << 22));
  }
  EXPECT_EQ(cuda_table()->memory(0).allocated, before);
  EXPECT_GE(cuda_table()->memory(0).allocated_peak, before + (1 << 22));
}

TEST_F(Gpu, StagesWeightsThroughPinnedBuffers) {
  const Tensor host = normal({(80 << 20) / 4 + 3}, 1);  // more than two buffers, and an odd end
  Tensor device = at::empty_like(host, at::Device(at::kCUDA, 0));
  cuda_table()->copy_to_device(host, device);
  EXPECT_TRUE(device.to(at::kCPU).equal(host));
}

TEST_F(Gpu, NormalisesAsTheCpu) {
  expect_same_on_gpu([](const auto& in) { return rms_norm(in[0], in[1], 1e-5); },
                     {normal({33, 576}, 1), normal({576}, 2)});
}

TEST_F(Gpu, RotatesAsTheCpu) {
  const Tensor angles = normal({21, 32}, 1);
  expect_same_on_gpu(
      [&](const auto& in) {
        const Tensor a = angles.to(in[0].device());
        return rotary(in[0], a.cos(), a.sin());
      },
      {normal({21, 3, 64}, 2)});
}

TEST_F(Gpu, GatesAsTheCpu) {
  expect_same_on_gpu([](const auto& in) { return swiglu(in[0], in[1]); },
                     {normal({33, 100}, 1), normal({33, 100}, 2)});
}

TEST_F(Gpu, MultipliesAsTheCpu) {
  const Tensor weight = normal({40, 64}, 1);
  expect_same_on_gpu(
      [&](const auto& in) { return frozen_linear(in[0], weight.to(in[0].device()), Tensor()); },
      {normal({33, 64}, 2)});
  expect_same_on_gpu(
      [&](const auto& in) {
        return lora_linear(in[0], weight.to(in[0].device()), Tensor(), in[1], in[2], 2.0);
      },
      {normal({33, 64}, 2), normal({4, 64}, 3), normal({40, 4}, 4)});
}

TEST_F(Gpu, DropsTheSameElementsAsTheCpu) {
  const Tensor keys = at::arange(33, at::kLong);
  expect_same_on_gpu(
      [&](const auto& in) { return keyed_dropout(in[0], keys.to(in[0].device()), 5, 0.3); },
      {normal({33, 65}, 1)});
}

TEST_F(Gpu, ScoresAsTheCpu) {
  Tensor targets = at::arange(37, at::kLong);
  targets.slice(0, 5, 11).fill_(kNotScored);
  const Tensor weights = normal({37}, 4).abs();
  expect_same_on_gpu(
      [&](const auto& in) {
        return head_cross_entropy(in[0], in[1], in[2], targets.to(in[0].device()),
                                  {.chunk_rows = 8, .weights = weights.to(in[0].device())})
            .sum;
      },
      {normal({37, 64}, 1), normal({103, 64}, 2), normal({103}, 3)});
}

TEST_F(Gpu, AttendsAsTheCpuInFloat32) {
  expect_same_attention({}, at::kFloat, /*tolerance=*/1e-4);
  expect_same_attention({.causal = false}, at::kFloat, /*tolerance=*/1e-4);
  expect_same_attention({.window = 20}, at::kFloat, /*tolerance=*/1e-4);
}

TEST_F(Gpu, AttendsAsTheCpuInHalfPrecision) {
  // bfloat16 has 8 bits, float16 has 11.
  expect_same_attention({}, at::kBFloat16, /*tolerance=*/5e-2);
  expect_same_attention({.causal = false}, at::kBFloat16, /*tolerance=*/5e-2);
  expect_same_attention({.window = 20}, at::kBFloat16, /*tolerance=*/5e-2);
  expect_same_attention({.scale = 0.3}, at::kHalf, /*tolerance=*/1e-2);
}

}  // namespace
}  // namespace peft
