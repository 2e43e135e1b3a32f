// Times of the guards that watch a training run, on a model with LoRA r16 on all linear layers.
// What a step pays is named "step/"; what a run pays once, at its start or its end, "run/".
//   peft_guards_bench --model=DIR [flags of Google Benchmark]
#include <ATen/ATen.h>
#include <benchmark/benchmark.h>

#include <cmath>
#include <iostream>
#include <memory>
#include <string_view>

#include "peft/config/adapter_config.h"
#include "peft/methods/registry.h"
#include "peft/models/load.h"
#include "peft/training/guards.h"
#include "peft/training/micro_batch.h"
#include "peft/training/optimizer.h"
#include "peft/training/spike_guard.h"

namespace peft {
namespace {

constexpr int64_t kRows = 4;
constexpr int64_t kTokens = 256;

/// A model with its adapter, as a step sees them after its backward.
struct Setting {
  explicit Setting(const std::string& folder)
      : model(load_model(HfDirectory(folder), at::kFloat, at::kCPU)),
        adapter(attach_adapter(
            *model,
            complete_adapter_config(
                {{"peft_type", "LORA"}, {"r", 16}, {"target_modules", "all-linear"}}),
            /*seed=*/0)),
        optimizer(adapter->trainable(), {}),
        base(*model, adapter->trainable()),
        examples(kRows, {.ids = std::vector<int32_t>(kTokens, 7),
                         .labels = std::vector<int32_t>(kTokens, 7)}) {
    for (const auto& [name, tensor] : adapter->trainable()) {
      tensor.grad().normal_();
    }
  }

  std::unique_ptr<CausalLM> model;
  std::unique_ptr<Adapter> adapter;
  Optimizer optimizer;
  FrozenBase base;
  std::vector<Example> examples;
  Groups rows = {{0, 1, 2, 3}};
};

template <typename Call>
void add(const char* name, Call call) {
  benchmark::RegisterBenchmark(name,
                               [call](benchmark::State& state) {
                                 for (auto _ : state) {
                                   call();
                                 }
                               })
      ->Unit(benchmark::kMillisecond)
      ->UseRealTime();
}

/// Everything that a clean step asks. The gate is shut again before each call: open, it is free.
void add_step_guards(const Setting& s) {
  add("step/rows_hash", [&s] { benchmark::DoNotOptimize(rows_hash(s.examples, s.rows)); });
  add("step/scored_rows",
      [&s] { benchmark::DoNotOptimize(exercise_attention(s.examples, s.rows)); });
  add("step/finite",
      [&s] { benchmark::DoNotOptimize(std::isfinite(s.optimizer.gradient_norm())); });
  auto spikes = std::make_shared<SpikeGuard>();
  add("step/loss_spikes", [spikes] { benchmark::DoNotOptimize(spikes->add(1.0)); });
}

void add_run_guards(const Setting& s) {
  add("run/gradient_gate", [&s] {
    GradientGate gate(s.adapter->trainable());
    gate.check_step(/*learning_rate=*/1e-4);
  });
  add("run/lost_updates", [&s] {
    const Tensor before = s.optimizer.values().clone();
    benchmark::DoNotOptimize(lost_updates(before, s.optimizer.values(), s.optimizer.gradients()));
  });
  add("run/base_hash", [&s] { FrozenBase(*s.model, s.adapter->trainable()).identity(); });
  add("run/base_unchanged", [&s] { s.base.check_unchanged(); });
}

int run(int count, char** arguments) {
  benchmark::Initialize(&count, arguments);
  constexpr std::string_view kFlag = "--model=";
  if (count != 2 || !std::string_view(arguments[1]).starts_with(kFlag)) {
    std::cerr << "peft_guards_bench --model=DIR [flags of Google Benchmark]\n";
    return 2;
  }
  const Setting setting(std::string(arguments[1]).substr(kFlag.size()));
  add_step_guards(setting);
  add_run_guards(setting);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

}  // namespace
}  // namespace peft

int main(int count, char** arguments) {
  return peft::run(count, arguments);
}
