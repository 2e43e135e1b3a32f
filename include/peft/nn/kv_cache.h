#pragma once

#include <cstdint>
#include <vector>

#include "peft/kernels/segments.h"
#include "peft/kernels/tensor.h"

namespace peft {

/// Keys and values of earlier tokens, by layer and sequence, for generation.
class KvCache {
 public:
  KvCache(int64_t layers, int64_t sequences);

  /// Adds a step's keys and values, (N, Hkv, Dh) each, ragged by `segments` (one per sequence), and
  /// turns them into those of all tokens so far; `keys` receives their segments.
  void extend(int64_t layer, const Segments& segments, Tensor& k, Tensor& v, Segments& keys);

  /// Tokens that sequence b holds.
  int64_t length(int64_t b) const { return lengths_[b]; }
  int64_t sequences() const { return static_cast<int64_t>(lengths_.size()); }

  /// Called once after all layers of a step.
  void advance(const Segments& segments);
  /// Keeps only these sequences, in this order.
  void keep(const std::vector<int64_t>& sequences);

 private:
  struct Store {
    Tensor k, v;  // (capacity, Hkv, Dh)
  };
  std::vector<std::vector<Store>> layers_;  // [layer][sequence]
  std::vector<int64_t> lengths_;
};

}  // namespace peft
