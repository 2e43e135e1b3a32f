#include "peft/plan/memory_plan.h"

#include <algorithm>
#include <array>

#include "peft/plan/block_memory.h"

namespace peft {
namespace {

// Measured: a run of a model of a few kilobytes.
constexpr int64_t kProcessBytes = 144'000'000;
// What the matrix products set aside, measured with two threads.
constexpr int64_t kProductBytes = 8'000'000;
// The same in narrow types: oneDNN's kernels and its packed copies, where the processor has them.
constexpr int64_t kNarrowProductBytes = 26'000'000;
// Logits held at once: the constants of kernels/cross_entropy.
constexpr int64_t kChunkBytesCpu = int64_t{31} << 20;
constexpr int64_t kChunkBytesGpu = int64_t{256} << 20;
constexpr int64_t kRowBytes = 160;        // an example without its tokens
constexpr int64_t kBatchTokenBytes = 48;  // ids, labels, positions, targets, keys
constexpr int64_t kTokenizerFactor = 14;  // resident bytes per byte of the file, measured
constexpr double kHoles = 0.02;           // of what is allocated and freed in a step, measured

int64_t product_bytes(const RunShape& run) {
  if (run.on_gpu) {
    return 0;
  }
  return run.dtype == Dtype::kF32 ? kProductBytes : kNarrowProductBytes;
}

/// Logits of a chunk: equal chunks, as many rows as fit.
int64_t chunk_bytes(const ModelSizes& model, const RunShape& run, int64_t rows) {
  const int64_t limit = run.on_gpu ? kChunkBytesGpu : kChunkBytesCpu;
  const int64_t width = model.classes > 0 ? model.classes : model.vocabulary;
  const int64_t most = std::max<int64_t>(1, limit / (width * kFloat));
  const int64_t chunks = (rows + most - 1) / most;
  const int64_t chunk = chunks == 0 ? 0 : (rows + chunks - 1) / chunks;
  // A narrow head has a chunk in its own dtype, a float32 copy and the copy's gradient.
  const int64_t copies = run.dtype == Dtype::kF32 ? kFloat : 2 * kFloat;
  return chunk * width * copies;
}

/// At the end of the forward: the input, the last norm's output, the scored rows and their
/// gradient, and a chunk of logits.
int64_t loss_bytes(const ModelSizes& model, const RunShape& run) {
  const int64_t row = model.hidden * element_size(run.dtype);
  return 2 * run.tokens * row + 2 * run.scored * row + chunk_bytes(model, run, run.scored);
}

/// Without gradients a batch holds two blocks' tensors and the same head.
int64_t evaluation_bytes(const ModelSizes& model, const RunShape& run) {
  RunShape batch = run;
  batch.tokens = batch.scored = run.evaluation_tokens;
  const int64_t mlp = std::max(model.mlp_width(), model.width(Place::kQueryKeyValue));
  return loss_bytes(model, batch) +
         run.evaluation_tokens * element_size(run.dtype) * (2 * model.hidden + 3 * mlp);
}

struct Activations {
  int64_t kept = 0;
  int64_t backward = 0;
};

Activations activation_bytes(const ModelSizes& model, const AdapterSizes& adapter,
                             const RunShape& run) {
  Activations result;
  const int64_t row = model.hidden * element_size(run.dtype);
  bool flows = false;
  int64_t widest = 0;
  for (int64_t layer = 0; layer < model.layers; ++layer) {
    const BlockMemory block = block_memory(model, adapter, run, layer, flows);
    flows = block.flows;
    const int64_t kept = run.tokens * block.kept;
    widest = std::max(widest, kept);
    result.kept += run.checkpointing ? run.tokens * row : kept;
    result.backward = std::max(result.backward, run.tokens * block.backward);
  }
  result.kept += run.checkpointing ? widest : 0;
  const int64_t angles = model.layer_norms ? 0 : kFloat * model.hidden / model.heads;
  // The last norm's input, the angles and the batch itself.
  result.kept += run.tokens * ((flows ? row : 0) + angles + kBatchTokenBytes);
  return result;
}

}  // namespace

MemoryPlan plan_memory(const ModelSizes& model, const AdapterSizes& adapter, const RunShape& real) {
  MemoryPlan plan;
  RunShape run = real;
  run.tokens += adapter.virtual_tokens;
  plan.weights = model.parameters * element_size(run.dtype);
  plan.adapter = kFloat * adapter.parameters;
  plan.gradients = kFloat * adapter.parameters;
  plan.optimizer = run.optimizer == "adamw" ? 2 * kFloat * adapter.parameters : 0;
  const Activations activations = activation_bytes(model, adapter, run);
  const int64_t evaluation = run.evaluation_tokens > 0 ? evaluation_bytes(model, run) : 0;
  plan.activations = activations.kept;
  plan.loss = loss_bytes(model, run);
  // The adapter's first values, copied into the optimizer's buffer, are free again before step 1.
  const int64_t peak = std::max(
      {plan.activations + std::max(plan.loss, activations.backward), evaluation, plan.adapter});
  plan.kernels = peak - plan.activations - plan.loss + product_bytes(run);
  plan.data = run.rows * kRowBytes + run.row_bytes + run.tokenizer_bytes * kTokenizerFactor;
  plan.process = kProcessBytes;
  plan.margin = static_cast<int64_t>(kHoles * static_cast<double>(peak));
  return plan;
}

Json memory_json(const MemoryPlan& plan) {
  return {{"weights", plan.weights},         {"adapter", plan.adapter},
          {"gradients", plan.gradients},     {"optimizer", plan.optimizer},
          {"activations", plan.activations}, {"loss", plan.loss},
          {"kernels", plan.kernels},         {"data", plan.data},
          {"process", plan.process},         {"margin", plan.margin}};
}

}  // namespace peft
