#include "peft/kernels/segments.h"

#include <ATen/Functions.h>

#include <algorithm>

namespace peft {

int64_t Segments::count() const {
  return static_cast<int64_t>(bounds.size()) - 1;
}

int64_t Segments::length(int64_t b) const {
  return bounds[static_cast<size_t>(b) + 1] - bounds[static_cast<size_t>(b)];
}

int64_t Segments::total() const {
  return bounds.back();
}

Segments make_segments(std::span<const int64_t> lengths, at::Device device) {
  Segments segments;
  segments.bounds.reserve(lengths.size() + 1);
  segments.bounds.push_back(0);
  for (const int64_t length : lengths) {
    TORCH_INTERNAL_ASSERT(length >= 0, "a segment has no negative length");
    segments.bounds.push_back(segments.bounds.back() + length);
    segments.longest = std::max(segments.longest, length);
  }
  segments.offsets = at::tensor(segments.bounds, at::kInt).to(device);
  return segments;
}

Segments with_prefix(const Segments& sequences, int64_t rows) {
  const at::Device device = sequences.offsets.device();
  std::vector<int64_t> lengths = {rows};
  std::vector<int64_t> key_lengths = {rows};
  const auto index = at::TensorOptions(at::kLong).device(device);
  const Tensor prefix = at::arange(rows, index);
  std::vector<Tensor> key_rows = {prefix};
  for (int64_t b = 0; b < sequences.count(); ++b) {
    const int64_t begin = rows + sequences.bounds[static_cast<size_t>(b)];
    lengths.push_back(sequences.length(b));
    key_lengths.push_back(rows + sequences.length(b));
    key_rows.push_back(prefix);
    key_rows.push_back(at::arange(begin, begin + sequences.length(b), index));
  }
  SharedPrefix shared;
  shared.rows = rows;
  shared.key_rows = at::cat(key_rows);
  shared.keys = make_segments(key_lengths, device);
  shared.sequences = make_segments(std::span(key_lengths).subspan(1), device);
  Segments segments = make_segments(lengths, device);
  segments.longest = rows + sequences.longest;
  segments.prefix = std::make_shared<const SharedPrefix>(std::move(shared));
  return segments;
}

Segments to_device(const Segments& segments, at::Device device) {
  Segments moved = segments;
  moved.offsets = segments.offsets.to(device);
  return moved;
}

}  // namespace peft
