#include "peft/models/batch.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace peft {
namespace {

/// Collects rows and lengths, then builds the tensors once.
class BatchBuilder {
 public:
  void add(std::span<const int32_t> ids, std::span<const int32_t> labels, int64_t first_position) {
    ids_.insert(ids_.end(), ids.begin(), ids.end());
    labels_.insert(labels_.end(), labels.begin(), labels.end());
    labels_.resize(ids_.size(), kIgnored);
    for (size_t i = 0; i < ids.size(); ++i) {
      positions_.push_back(first_position + static_cast<int64_t>(i));
    }
    lengths_.push_back(static_cast<int64_t>(ids.size()));
  }

  Batch finish() {
    Batch batch;
    batch.ids = at::tensor(ids_, at::kLong);
    batch.labels = at::tensor(labels_, at::kLong);
    batch.positions = at::tensor(positions_, at::kLong);
    batch.segments = make_segments(lengths_, at::kCPU);
    return batch;
  }

 private:
  std::vector<int64_t> ids_;
  std::vector<int64_t> labels_;
  std::vector<int64_t> positions_;
  std::vector<int64_t> lengths_;
};

/// The rows' numbers, and their classes where all have one.
void set_classes(Batch& batch, std::span<const Example* const> examples) {
  std::vector<int64_t> classes;
  std::vector<float> scores;
  for (const Example* example : examples) {
    classes.push_back(example->label);
    scores.push_back(example->score);
  }
  if (std::find(classes.begin(), classes.end(), -1) == classes.end()) {
    batch.classes = at::tensor(classes, at::kLong);
  }
  batch.scores = at::tensor(scores, at::kFloat);
}

/// What the labels count, where a row says so.
void set_weights(Batch& batch, std::span<const Example* const> examples) {
  for (size_t b = 0; b < examples.size(); ++b) {
    const Weights& weights = examples[b]->weights;
    if (!weights.empty()) {
      batch.weights = batch.weights.defined() ? batch.weights : at::ones(batch.ids.sizes());
      batch.weights.narrow(0, batch.segments.bounds[b], static_cast<int64_t>(weights.size()))
          .copy_(at::tensor(weights.vector()));
    }
  }
}

/// The tokens' types, where a row has two texts.
void set_types(Batch& batch, std::span<const Example* const> examples) {
  for (size_t b = 0; b < examples.size(); ++b) {
    const int64_t second = examples[b]->second_type;
    if (second > 0) {
      batch.types = batch.types.defined() ? batch.types : at::zeros_like(batch.ids);
      const int64_t length = batch.segments.length(static_cast<int64_t>(b)) - second;
      batch.types.narrow(0, batch.segments.bounds[b] + second, length).fill_(1);
    }
  }
}

}  // namespace

Batch Batch::to(at::Device device) const {
  if (ids.device() == device) {
    return *this;
  }
  Batch moved = *this;
  for (Tensor* tensor : {&moved.ids, &moved.labels, &moved.weights, &moved.positions, &moved.types,
                         &moved.classes, &moved.scores, &moved.dropout_keys}) {
    if (tensor->defined()) {
      *tensor = tensor->to(device);
    }
  }
  moved.segments = to_device(segments, device);
  return moved;
}

Batch make_batch(std::span<const Example* const> examples) {
  BatchBuilder builder;
  for (const Example* example : examples) {
    builder.add(example->ids, example->labels, /*first_position=*/0);
  }
  Batch batch = builder.finish();
  set_classes(batch, examples);
  set_types(batch, examples);
  set_weights(batch, examples);
  return batch;
}

Batch make_batch(const std::vector<std::vector<int32_t>>& sequences,
                 const std::vector<int64_t>& first) {
  BatchBuilder builder;
  for (size_t b = 0; b < sequences.size(); ++b) {
    builder.add(sequences[b], {}, first.empty() ? 0 : first[b]);
  }
  return builder.finish();
}

Tensor next_token_targets(const Tensor& labels, const Segments& segments) {
  Tensor targets = at::full_like(labels, kIgnored);
  if (labels.size(0) > 1) {
    targets.narrow(0, 0, labels.size(0) - 1).copy_(labels.narrow(0, 1, labels.size(0) - 1));
  }
  // The last row of every non-empty segment would otherwise be scored against its neighbour.
  std::vector<int64_t> last;
  for (int64_t b = 0; b < segments.count(); ++b) {
    if (segments.length(b) > 0) {
      last.push_back(segments.bounds[b + 1] - 1);
    }
  }
  targets.index_fill_(0, at::tensor(last, at::kLong).to(labels.device()), kIgnored);
  return targets;
}

}  // namespace peft
