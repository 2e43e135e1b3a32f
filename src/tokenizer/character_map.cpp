#include "character_map.h"

#include <cstring>
#include <vector>

#include "peft/util/error.h"
#include "peft/util/text.h"

namespace peft {
namespace {

/// One unit of a double-array trie in the layout of Darts-clone: a node's label and the distance to
/// its children, or a leaf's value.
class Unit {
 public:
  explicit Unit(uint32_t bits) : bits_(bits) {}
  bool has_leaf() const { return ((bits_ >> 8) & 1) != 0; }
  uint32_t value() const { return bits_ & 0x7FFFFFFF; }
  /// A leaf's has the top bit set, so that it equals no byte.
  uint32_t label() const { return bits_ & 0x800000FF; }
  uint32_t offset() const { return (bits_ >> 10) << ((bits_ & (1U << 9)) >> 6); }

 private:
  uint32_t bits_;
};

/// Follows every path that some text could take.
class MapCheck {
 public:
  MapCheck(std::string_view map, const std::string& where) : map_(map), where_(where) {
    check<ModelError>(map.size() > sizeof(uint32_t), "{}: {} bytes are no character map", where,
                      map.size());
    const uint32_t trie_bytes = word_at(0);
    check<ModelError>(trie_bytes % sizeof(uint32_t) == 0 && trie_bytes >= sizeof(uint32_t) &&
                          trie_bytes < map.size() - sizeof(uint32_t),
                      "{}: a trie of {} bytes does not fit a character map of {}", where,
                      trie_bytes, map.size());
    units_ = trie_bytes / sizeof(uint32_t);
    texts_ = map.substr(sizeof(uint32_t) + trie_bytes);
    check<ModelError>(texts_.back() == '\0', "{}: the texts of the character map have no end",
                      where);
  }

  void run() {
    std::vector<bool> seen(units_);
    std::vector<size_t> open = {0};
    seen[0] = true;
    while (!open.empty()) {
      const size_t node = open.back();
      open.pop_back();
      const Unit unit = unit_at(node);
      const size_t children = node ^ unit.offset();
      check<ModelError>((children | 0xFF) < units_,
                        "{}: node {} of the character map points outside its trie", where_, node);
      if (unit.has_leaf()) {
        check_text(unit_at(children).value());
      }
      for (size_t byte = 0; byte < 256; ++byte) {
        const size_t child = children ^ byte;
        if (!seen[child] && unit_at(child).label() == byte) {
          seen[child] = true;
          open.push_back(child);
        }
      }
    }
  }

 private:
  uint32_t word_at(size_t byte) const {
    uint32_t word = 0;
    std::memcpy(&word, map_.data() + byte, sizeof word);
    return word;
  }
  Unit unit_at(size_t index) const { return Unit(word_at(sizeof(uint32_t) * (index + 1))); }

  void check_text(uint32_t offset) const {
    check<ModelError>(offset < texts_.size(),
                      "{}: a leaf of the character map points at byte {} of {}", where_, offset,
                      texts_.size());
    const std::string_view text = texts_.substr(offset, texts_.find('\0', offset) - offset);
    check<ModelError>(is_utf8(text), "{}: the character map maps to what is not UTF-8", where_);
  }

  std::string_view map_;
  const std::string& where_;
  size_t units_ = 0;
  std::string_view texts_;
};

}  // namespace

CharacterMap::CharacterMap(std::string map, const std::string& where) : map_(std::move(map)) {
  MapCheck(map_, where).run();
  uint32_t trie_bytes = 0;
  std::memcpy(&trie_bytes, map_.data(), sizeof trie_bytes);
  texts_ = sizeof trie_bytes + trie_bytes;
}

std::optional<std::string_view> CharacterMap::find(std::string_view text) const {
  const auto unit_at = [this](size_t index) {
    uint32_t word = 0;
    std::memcpy(&word, map_.data() + sizeof word * (index + 1), sizeof word);
    return Unit(word);
  };
  size_t node = unit_at(0).offset();
  for (const char byte : text) {
    const auto label = static_cast<unsigned char>(byte);
    const Unit unit = unit_at(node ^ label);
    if (label == 0 || unit.label() != label) {
      return std::nullopt;
    }
    node ^= label ^ unit.offset();
    if (unit.has_leaf()) {
      const std::string_view texts = std::string_view(map_).substr(texts_);
      const size_t begin = unit_at(node).value();
      return texts.substr(begin, texts.find('\0', begin) - begin);
    }
  }
  return std::nullopt;
}

void check_character_map(std::string_view map, const std::string& where) {
  if (!map.empty()) {
    MapCheck(map, where).run();
  }
}

}  // namespace peft
