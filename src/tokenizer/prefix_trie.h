#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace peft {

/// Texts by their bytes, each with an id: a trie whose edges lie in one open-addressing table.
/// Building takes time in proportion to the texts, whatever they are.
class PrefixTrie {
 public:
  using Node = uint32_t;
  static constexpr Node kRoot = 0;
  static constexpr Node kNowhere = UINT32_MAX;
  static constexpr int32_t kNoId = -1;

  PrefixTrie();

  /// Makes room for texts of `bytes` altogether.
  void reserve(size_t bytes);
  /// A text that is already there takes the new id.
  void insert(std::string_view text, int32_t id);

  /// Where a byte leads from a node, or kNowhere.
  Node step(Node node, char byte) const;
  /// The id of the text that ends at a node, or kNoId.
  int32_t id(Node node) const { return ids_[node]; }

 private:
  struct Edge {
    uint64_t key = UINT64_MAX;  // node and byte
    Node target = kNowhere;
  };
  static uint64_t key_of(Node node, char byte) {
    return (uint64_t{node} << 8) | static_cast<unsigned char>(byte);
  }
  size_t slot_of(uint64_t key) const {
    constexpr uint64_t kGolden = 0x9E3779B97F4A7C15U;  // 2^64 divided by the golden ratio
    const size_t mask = edges_.size() - 1;
    size_t at = (key * kGolden) >> shift_;
    while (edges_[at].key != key && edges_[at].key != UINT64_MAX) {
      at = (at + 1) & mask;
    }
    return at;
  }
  void grow(size_t slots);

  std::vector<Edge> edges_;
  std::vector<int32_t> ids_;  // one per node
  int shift_ = 0;
};

inline PrefixTrie::Node PrefixTrie::step(Node node, char byte) const {
  return edges_[slot_of(key_of(node, byte))].target;
}

}  // namespace peft
