#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace peft {

/// More tokens than this are refused.
constexpr int64_t kLargestVocabulary = 4'194'304;

/// Texts to ids, by open addressing over one block of characters: made for a vocabulary that is
/// built once at start-up and then asked millions of times.
class TokenTable {
 public:
  /// Makes room for `count` texts of `bytes` altogether.
  void reserve(size_t count, size_t bytes);
  /// False if the text is already there; the table is then unchanged.
  bool insert(std::string_view text, int32_t id);
  std::optional<int32_t> find(std::string_view text) const;
  size_t size() const { return size_; }

 private:
  struct Slot {
    uint32_t hash = 0;
    int32_t id = kEmpty;
    uint32_t begin = 0;
    uint32_t length = 0;
  };
  static constexpr int32_t kEmpty = -1;

  void grow(size_t slots);
  size_t slot_of(std::string_view text, uint32_t hash) const;

  std::vector<Slot> slots_;
  std::string characters_;
  size_t size_ = 0;
};

/// The tokens of a model by id and by spelling. Ids may have gaps.
class Vocabulary {
 public:
  void reserve(size_t count, size_t bytes) { table_.reserve(count, bytes); }
  /// Throws ModelError when the spelling or the id is taken or the id is out of range.
  void add(std::string_view token, int64_t id, const std::string& where);

  std::optional<int32_t> find(std::string_view token) const { return table_.find(token); }
  bool has(int32_t id) const;
  /// Spelling of an id that `has`.
  const std::string& token(int32_t id) const { return tokens_[static_cast<size_t>(id)]; }
  /// One more than the largest id.
  int32_t end() const { return static_cast<int32_t>(tokens_.size()); }
  size_t size() const { return table_.size(); }

 private:
  TokenTable table_;
  std::vector<std::string> tokens_;
  std::vector<bool> present_;
};

}  // namespace peft
