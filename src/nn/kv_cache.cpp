#include "peft/nn/kv_cache.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace peft {
namespace {

/// Makes room for `needed` rows, doubling so that appending stays linear.
void reserve(Tensor& store, int64_t used, int64_t needed, const Tensor& like) {
  if (store.defined() && store.size(0) >= needed) {
    return;
  }
  const int64_t capacity = std::max<int64_t>(needed, 2 * used);
  Tensor larger = at::empty({capacity, like.size(1), like.size(2)}, like.options());
  if (used > 0) {
    larger.narrow(0, 0, used).copy_(store.narrow(0, 0, used));
  }
  store = larger;
}

}  // namespace

KvCache::KvCache(int64_t layers, int64_t sequences)
    : layers_(layers, std::vector<Store>(sequences)), lengths_(sequences, 0) {}

void KvCache::extend(int64_t layer, const Segments& segments, Tensor& k, Tensor& v,
                     Segments& keys) {
  std::vector<Tensor> all_k;
  std::vector<Tensor> all_v;
  std::vector<int64_t> lengths;
  for (int64_t b = 0; b < segments.count(); ++b) {
    Store& store = layers_[layer][b];
    const int64_t added = segments.length(b);
    const int64_t total = lengths_[b] + added;
    reserve(store.k, lengths_[b], total, k);
    reserve(store.v, lengths_[b], total, v);
    store.k.narrow(0, lengths_[b], added).copy_(k.narrow(0, segments.bounds[b], added));
    store.v.narrow(0, lengths_[b], added).copy_(v.narrow(0, segments.bounds[b], added));
    all_k.push_back(store.k.narrow(0, 0, total));
    all_v.push_back(store.v.narrow(0, 0, total));
    lengths.push_back(total);
  }
  k = all_k.size() == 1 ? all_k.front() : at::cat(all_k);
  v = all_v.size() == 1 ? all_v.front() : at::cat(all_v);
  keys = make_segments(lengths, k.device());
}

void KvCache::advance(const Segments& segments) {
  for (int64_t b = 0; b < segments.count(); ++b) {
    lengths_[b] += segments.length(b);
  }
}

void KvCache::keep(const std::vector<int64_t>& sequences) {
  std::vector<int64_t> lengths;
  for (const int64_t b : sequences) {
    lengths.push_back(lengths_[b]);
  }
  for (std::vector<Store>& stores : layers_) {
    std::vector<Store> kept;
    for (const int64_t b : sequences) {
      kept.push_back(stores[b]);
    }
    stores = std::move(kept);
  }
  lengths_ = std::move(lengths);
}

}  // namespace peft
