#pragma once

#include <string>

#include "peft/plan/adapter_sizes.h"
#include "peft/util/json.h"

namespace peft {

/// What of a run, beside model and adapter, decides its memory.
struct RunShape {
  int64_t tokens = 0;             ///< of the largest micro-batch
  int64_t scored = 0;             ///< scored tokens of a micro-batch, at most
  int64_t evaluation_tokens = 0;  ///< of the largest held-out batch; 0: no evaluation
  int64_t rows = 0;               ///< of the data sets, which stay in memory
  int64_t row_bytes = 0;          ///< of these rows' tokens, as far as they lie in memory
  int64_t tokenizer_bytes = 0;    ///< of the tokenizer's files
  Dtype dtype = Dtype::kF32;      ///< of the computation
  std::string optimizer = "adamw";
  bool checkpointing = false;  ///< blocks keep their inputs and are run again in the backward
  bool on_gpu = false;
};

/// A run's memory at its peak, in bytes, by what it is for. The parts add up.
struct MemoryPlan {
  int64_t weights = 0;  ///< the base, in the dtype it computes in
  int64_t adapter = 0;  ///< values, float32
  int64_t gradients = 0;
  int64_t optimizer = 0;    ///< moments
  int64_t activations = 0;  ///< what the forward leaves for the backward
  int64_t loss = 0;         ///< the head's chunk of logits, hidden states and their gradient
  int64_t kernels = 0;      ///< what the widest kernel of the backward needs beyond `loss`
  int64_t data = 0;         ///< rows and tokenizer
  int64_t process = 0;      ///< program and libraries before anything is loaded
  int64_t margin = 0;       ///< holes between blocks of memory

  int64_t total() const {
    return weights + adapter + gradients + optimizer + activations + loss + kernels + data +
           process + margin;
  }
};

/// The peak of a training run. It follows from what each kernel keeps for its backward (kernels/,
/// nn/) and holds for what they do today: a kernel that keeps more is a change here.
MemoryPlan plan_memory(const ModelSizes& model, const AdapterSizes& adapter, const RunShape& run);

/// The parts by name, as `peft plan --json` has them.
Json memory_json(const MemoryPlan& plan);

}  // namespace peft
