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

Segments to_device(const Segments& segments, at::Device device) {
  Segments moved = segments;
  moved.offsets = segments.offsets.to(device);
  return moved;
}

}  // namespace peft
