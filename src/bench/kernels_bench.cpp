// Times of the kernels at SmolLM2-135M's shapes, 4 segments of 256 tokens, float32, two threads.
// Each fused kernel stands beside the plain operators or the matrix products that it should match.
#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <benchmark/benchmark.h>
#include <torch/csrc/autograd/autograd.h>

#include <functional>
#include <string>
#include <vector>

#include "peft/kernels/attention.h"
#include "peft/kernels/cross_entropy.h"
#include "peft/kernels/dropout.h"
#include "peft/kernels/linear.h"
#include "peft/kernels/lora_linear.h"
#include "peft/kernels/rms_norm.h"
#include "peft/kernels/rotary.h"
#include "peft/kernels/swiglu.h"

namespace peft {
namespace {

constexpr int64_t N = 1024;
constexpr int64_t D = 576;
constexpr int64_t F = 1536;
constexpr int64_t V = 49152;
constexpr int64_t H = 9;
constexpr int64_t Hkv = 3;
constexpr int64_t Dh = 64;
constexpr int64_t R = 16;

Tensor random(at::IntArrayRef sizes) {
  return at::randn(sizes);
}
Tensor leaf(at::IntArrayRef sizes) {
  return at::randn(sizes).requires_grad_(true);
}

using Forward = std::function<Tensor()>;

void time_forward(benchmark::State& state, const Forward& forward) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(forward());
  }
}

// The backward alone, its graph kept.
void time_backward(benchmark::State& state, const Forward& forward,
                   const std::vector<Tensor>& inputs) {
  const Tensor y = forward();
  const Tensor gradient = at::randn(y.sizes());
  for (auto _ : state) {
    benchmark::DoNotOptimize(torch::autograd::grad({y}, inputs, {gradient}, /*retain_graph=*/true));
  }
}

void rates(benchmark::State& state, double flops) {
  state.counters["GFLOP/s"] =
      benchmark::Counter(flops * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
}

void add(const char* name, const Forward& forward, const std::vector<Tensor>& inputs,
         double flops = 0) {
  const auto run = [=](const auto& timed, double work) {
    return [=](benchmark::State& state) {
      timed(state);
      if (work > 0) {
        rates(state, work);
      }
    };
  };
  const std::string title = name;
  benchmark::RegisterBenchmark(
      (title + "/forward").c_str(),
      run([=](benchmark::State& state) { time_forward(state, forward); }, flops));
  benchmark::RegisterBenchmark(
      (title + "/backward").c_str(),
      run([=](benchmark::State& state) { time_backward(state, forward, inputs); }, flops));
}

void add_elementwise() {
  const Tensor x = leaf({N, D});
  const Tensor w = random({D});
  add("rms_norm", [=] { return rms_norm(x, w, 1e-5); }, {x});
  add("rms_norm_plain", [=] { return rms_norm_reference(x, w, 1e-5); }, {x});
  const Tensor q = leaf({N, H, Dh});
  const Tensor cos = random({N, Dh / 2});
  const Tensor sin = random({N, Dh / 2});
  add("rotary", [=] { return rotary(q, cos, sin); }, {q});
  add("rotary_plain", [=] { return rotary_reference(q, cos, sin); }, {q});
  const Tensor gate = leaf({N, F});
  const Tensor up = leaf({N, F});
  add("swiglu", [=] { return swiglu(gate, up); }, {gate, up});
  add("swiglu_plain", [=] { return swiglu_reference(gate, up); }, {gate, up});
  const Tensor keys = at::arange(N, at::kLong);
  add("keyed_dropout", [=] { return keyed_dropout(x, keys, 3, 0.1); }, {x});
}

void add_attention() {
  const Segments segments = make_segments(std::vector<int64_t>(4, N / 4), at::kCPU);
  const Segments one = make_segments(std::vector<int64_t>(1, N), at::kCPU);
  const Tensor q = leaf({N, H, Dh});
  const Tensor k = leaf({N, Hkv, Dh});
  const Tensor v = leaf({N, Hkv, Dh});
  add("attention", [=] { return attention(q, k, v, segments, segments); }, {q, k, v});
  add("attention_plain", [=] { return attention_reference(q, k, v, segments, segments); },
      {q, k, v});
  add("attention_1024", [=] { return attention(q, k, v, one, one); }, {q, k, v});
  add("attention_1024_window_128", [=] { return attention(q, k, v, one, one, {.window = 128}); },
      {q, k, v});
}

void add_linear(const char* name, int64_t in, int64_t out) {
  const Tensor x = leaf({N, in});
  const Tensor w = random({out, in});
  const Tensor A = leaf({R, in});
  const Tensor B = leaf({out, R});
  const auto flops = 2.0 * static_cast<double>(N * in * out);
  const std::string title = name;
  add((title + "_frozen").c_str(), [=] { return frozen_linear(x, w, Tensor()); }, {x}, flops);
  add((title + "_lora").c_str(), [=] { return lora_linear(x, w, Tensor(), A, B, 2.0); }, {x, A, B},
      flops);
}

// The loss with its gradient, and the two products that it cannot do without, into kept buffers.
void add_head() {
  const Tensor hidden = leaf({N, D});
  const Tensor head = random({V, D}) * 0.02;
  const Tensor targets = at::randint(V, {N}, at::kLong);
  const auto flops = 4.0 * static_cast<double>(N * D * V);
  benchmark::RegisterBenchmark("head_cross_entropy/with_gradient", [=](benchmark::State& state) {
    for (auto _ : state) {
      benchmark::DoNotOptimize(head_cross_entropy(hidden, head, Tensor(), targets));
    }
    rates(state, flops);
  });
  benchmark::RegisterBenchmark("head_cross_entropy/loss_only", [=](benchmark::State& state) {
    const Tensor fixed = hidden.detach();
    for (auto _ : state) {
      benchmark::DoNotOptimize(head_cross_entropy(fixed, head, Tensor(), targets));
    }
    rates(state, flops / 2);
  });
  for (const int64_t rows : {N, N / 8}) {
    const std::string name = "head_products/rows:" + std::to_string(rows);
    benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) {
      const at::NoGradGuard no_grad;
      Tensor logits = at::empty({rows, V});
      Tensor gradient = at::empty({rows, D});
      for (auto _ : state) {
        for (int64_t begin = 0; begin < N; begin += rows) {
          at::mm_out(logits, hidden.narrow(0, begin, rows), head.t());
          at::mm_out(gradient, logits, head);
        }
      }
      rates(state, flops);
    });
  }
}

void add_all() {
  at::manual_seed(1);
  add_elementwise();
  add_attention();
  add_linear("q_proj", D, D);
  add_linear("k_proj", D, Hkv * Dh);
  add_linear("gate_proj", D, F);
  add_linear("down_proj", F, D);
  add_head();
}

}  // namespace
}  // namespace peft

int main(int argc, char** argv) {
  peft::add_all();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
