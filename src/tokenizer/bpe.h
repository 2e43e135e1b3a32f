#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "peft/util/json.h"
#include "vocabulary.h"

namespace peft {

/// An id and how many bytes of the text it stands for.
struct Symbol {
  int32_t id = 0;
  uint32_t length = 0;
};

/// Rank and result of merging two neighbours; a table from pairs of ids by open addressing.
class MergeTable {
 public:
  struct Merge {
    uint32_t rank = kNone;
    int32_t id = 0;
  };
  static constexpr uint32_t kNone = UINT32_MAX;

  void reserve(size_t count);
  /// A pair that is already there takes the new rank.
  void insert(int32_t left, int32_t right, const Merge& merge);
  /// Rank kNone when the two do not merge.
  const Merge& find(int32_t left, int32_t right) const;

 private:
  struct Entry {
    uint64_t key = UINT64_MAX;
    Merge merge;
  };
  size_t slot_of(uint64_t key) const;
  std::vector<Entry> entries_;
  size_t size_ = 0;
  int shift_ = 0;
};

/// Byte-pair encoding (Sennrich et al. 2016) over bytes or over characters with byte fallback: of
/// all neighbours that may merge, the pair of the lowest rank does, leftmost first, until none can.
class BytePairModel {
 public:
  /// Reads the "model" object of a tokenizer.json. `byte_level`: words come as raw bytes and the
  /// vocabulary spells them in the byte-level alphabet.
  BytePairModel(const Json& model, bool byte_level, const std::string& where);

  const Vocabulary& vocabulary() const { return vocabulary_; }

  /// Appends the symbols of one word; their lengths add up to the word's unless characters are
  /// unknown and there is no unknown token. Time is n log n in the length of the word.
  void encode(std::string_view word, std::vector<Symbol>& symbols) const;

 private:
  void read_vocabulary(const Json& vocabulary, const std::string& where);
  void read_merges(const Json& merges, const std::string& where);
  void add_merge(std::string_view left, std::string_view right, uint32_t rank,
                 const std::string& where);
  void index_bytes(const std::string& where);
  void split_units(std::string_view word, std::vector<Symbol>& symbols) const;
  std::optional<int32_t> unit_id(std::string_view unit) const;
  bool append_byte_tokens(std::string_view character, std::vector<Symbol>& symbols) const;

  Vocabulary vocabulary_;
  MergeTable merges_;
  bool byte_level_;
  bool ignore_merges_ = false;
  bool byte_fallback_ = false;
  bool fuse_unknown_ = false;
  std::optional<int32_t> unknown_;
  TokenTable words_;                     // whole words in raw bytes, with ignore_merges over bytes
  std::array<int32_t, 256> byte_ids_{};  // byte-level: each byte's token; fallback: that of <0xNN>
};

/// Merges the symbols from `begin` on as far as `merges` allows.
void merge_symbols(const MergeTable& merges, std::vector<Symbol>& symbols, size_t begin);

}  // namespace peft
