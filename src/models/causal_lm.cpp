#include "peft/models/causal_lm.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace peft {
namespace {

using ScoredStates = CausalLM::ScoredStates;

/// Each state with what it is scored against. The last virtual token predicts every sequence's
/// first word.
ScoredStates scored(const ModelInput& input, const Tensor& hidden) {
  if (!input.segments.prefix) {
    return {hidden, input.targets, input.weights};
  }
  const int64_t last = input.segments.prefix->rows - 1;
  const Tensor first = hidden.narrow(0, last, 1).expand({input.first_targets.size(0), -1});
  return {at::cat({first, CausalLM::real_rows(hidden, input)}),
          at::cat({input.first_targets, input.targets}),
          input.weights.defined() ? at::cat({input.first_weights, input.weights}) : Tensor()};
}

}  // namespace

Tensor CausalLM::hidden(const ModelInput& input, KvCache* cache) const {
  Tensor states = trunk(input, cache);
  if (cache != nullptr) {
    cache->advance(input.segments.prefix ? input.segments.prefix->sequences : input.segments);
  }
  return states;
}

ModelInput CausalLM::input(const Batch& batch, const KvCache* cache) const {
  ModelInput input;
  input.embeddings = embed(batch.ids);
  input.positions = batch.positions;
  input.segments = batch.segments;
  input.continues = cache != nullptr && cache->length(0) > 0;
  input.types = batch.types;
  if (batch.labels.defined()) {
    input.targets = next_token_targets(batch.labels, batch.segments);
  }
  if (batch.weights.defined()) {
    input.weights = batch.weights.roll(-1);  // with the targets; what has none does not count
  }
  if (input_hook) {
    input_hook->forward(input);
  }
  if (batch.labels.defined() && input.segments.prefix) {
    const Tensor starts = batch.segments.offsets.narrow(0, 0, batch.segments.count()).to(at::kLong);
    input.first_targets = batch.labels.index_select(0, starts);
    if (batch.weights.defined()) {
      input.first_weights = batch.weights.index_select(0, starts);
    }
  }
  return input;
}

Tensor CausalLM::real_rows(const Tensor& hidden, const ModelInput& input) {
  const int64_t rows = input.segments.prefix ? input.segments.prefix->rows : 0;
  return hidden.narrow(0, rows, hidden.size(0) - rows);
}

std::vector<NamedLinear> CausalLM::projections() const {
  std::vector<NamedLinear> all;
  for (const auto& module : named_modules("", /*include_self=*/false)) {
    const auto linear = std::dynamic_pointer_cast<Linear>(module.value());
    if (linear != nullptr && linear->place() != Place::kHead && linear->place() != Place::kExpert) {
      all.push_back({module.key(), linear.get()});
    }
  }
  return all;
}

std::vector<Attention*> CausalLM::attentions() const {
  std::vector<Attention*> all;
  for (const auto& module : modules(/*include_self=*/false)) {
    if (const auto attention = std::dynamic_pointer_cast<Attention>(module)) {
      all.push_back(attention.get());
    }
  }
  return all;
}

Tensor CausalLM::logits(const Tensor& hidden) const {
  const Tensor own = head().forward(hidden);
  const double cap = shape_.logit_softcap;
  return cap == 0 ? own : at::tanh(own / cap) * cap;
}

Tensor CausalLM::pooled(const Tensor& hidden, const Segments& segments) const {
  return hidden.index_select(0, segments.offsets.narrow(0, 1, segments.count()).to(at::kLong) - 1);
}

Tensor CausalLM::pooled(const Batch& batch) const {
  const ModelInput in = input(batch);
  return pooled(real_rows(hidden(in), in), in.segments.prefix ? batch.segments : in.segments);
}

Tensor CausalLM::logits(const Batch& batch) const {
  if (shape_.classes() > 0) {
    return head().forward(pooled(batch));
  }
  const ModelInput in = input(batch);
  return logits(real_rows(hidden(in), in));
}

ScoredStates CausalLM::scored_states(const Batch& batch) const {
  if (shape_.classes() > 0) {
    TORCH_INTERNAL_ASSERT(batch.classes.defined(), "a classifier's rows have classes");
    return {pooled(batch), batch.classes, Tensor()};
  }
  const ModelInput in = input(batch);
  return scored(in, hidden(in));
}

HeadLoss CausalLM::loss(const Batch& batch, bool count_correct) const {
  if (shape_.classes() == 1) {
    const Tensor distance = logits(batch).select(1, 0).to(at::kFloat) - batch.scores;
    return {distance.square().sum(), batch.segments.count(), at::zeros({}, at::kLong)};
  }
  const auto [states, targets, weights] = scored_states(batch);
  const CrossEntropyOptions options{
      .count_correct = count_correct, .softcap = shape_.logit_softcap, .weights = weights};
  if (!head().hook) {
    return head_cross_entropy(states, head().weight(), head().bias(), targets, options);
  }
  const auto rows_to_logits = [this](const Tensor& rows) { return head().forward(rows); };
  std::vector<Tensor> trainable;
  for (const Tensor& parameter : head().hook->parameters()) {
    if (parameter.requires_grad()) {
      trainable.push_back(parameter);
    }
  }
  return head_cross_entropy(states, rows_to_logits, trainable, head().weight().size(0), targets,
                            options);
}

}  // namespace peft
