#include "peft/models/causal_lm.h"

#include <ATen/ATen.h>

namespace peft {

Tensor CausalLM::hidden(const ModelInput& input, KvCache* cache) const {
  Tensor states = trunk(input, cache);
  if (cache != nullptr) {
    cache->advance(input.segments);
  }
  return states;
}

ModelInput CausalLM::input(const Batch& batch) const {
  ModelInput input{embed(batch.ids), batch.positions, {}, batch.segments};
  if (batch.labels.defined()) {
    input.targets = next_token_targets(batch.labels, batch.segments);
  }
  if (input_hook) {
    input_hook->forward(input);
  }
  return input;
}

HeadLoss CausalLM::loss(const Batch& batch, bool count_correct) const {
  const ModelInput in = input(batch);
  const Tensor states = hidden(in);
  const CrossEntropyOptions options{.count_correct = count_correct};
  if (!head().hook) {
    return head_cross_entropy(states, head().weight(), head().bias(), in.targets, options);
  }
  const auto rows_to_logits = [this](const Tensor& rows) { return logits(rows); };
  std::vector<Tensor> trainable;
  for (const Tensor& parameter : head().hook->parameters()) {
    if (parameter.requires_grad()) {
      trainable.push_back(parameter);
    }
  }
  return head_cross_entropy(states, rows_to_logits, trainable, shape_.vocabulary, in.targets,
                            options);
}

}  // namespace peft
