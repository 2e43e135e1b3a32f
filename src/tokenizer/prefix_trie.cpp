#include "prefix_trie.h"

#include <bit>

namespace peft {

PrefixTrie::PrefixTrie() : ids_(1, kNoId) {
  grow(16);
}

void PrefixTrie::grow(size_t slots) {
  std::vector<Edge> old(slots);
  old.swap(edges_);
  shift_ = 64 - std::countr_zero(slots);
  for (const Edge& edge : old) {
    if (edge.key != UINT64_MAX) {
      edges_[slot_of(edge.key)] = edge;
    }
  }
}

void PrefixTrie::reserve(size_t bytes) {
  if (2 * bytes > edges_.size()) {
    grow(std::bit_ceil(2 * bytes));
  }
}

void PrefixTrie::insert(std::string_view text, int32_t id) {
  Node node = kRoot;
  for (const char byte : text) {
    Node next = step(node, byte);
    if (next == kNowhere) {
      reserve(ids_.size());  // one edge per node but the root
      next = static_cast<Node>(ids_.size());
      edges_[slot_of(key_of(node, byte))] = {key_of(node, byte), next};
      ids_.push_back(kNoId);
    }
    node = next;
  }
  ids_[node] = id;
}

}  // namespace peft
