#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "peft/util/json.h"
#include "token_model.h"

namespace peft {

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
class BytePairModel final : public TokenModel {
 public:
  /// Reads the "model" object of a tokenizer.json.
  BytePairModel(const Json& model, bool byte_level, const std::string& where);

  /// Time is n log n in the length of the word.
  void encode(std::string_view word, std::vector<Symbol>& symbols) const override;

 private:
  void index_words();
  void read_merges(const Json& merges, const std::string& where);
  void add_merge(std::string_view left, std::string_view right, uint32_t rank,
                 const std::string& where);
  void index_bytes(const std::string& where);
  void split_units(std::string_view word, std::vector<Symbol>& symbols) const;
  std::optional<int32_t> unit_id(std::string_view unit, bool first, bool last) const;
  bool append_byte_tokens(std::string_view character, std::vector<Symbol>& symbols) const;

  MergeTable merges_;
  bool byte_level_;
  bool ignore_merges_ = false;
  bool byte_fallback_ = false;
  bool fuse_unknown_ = false;
  std::string prefix_;  // of units that do not begin a word
  std::string suffix_;  // of the unit that ends one
  std::optional<int32_t> unknown_;
  TokenTable words_;                     // whole words in raw bytes, with ignore_merges over bytes
  std::array<int32_t, 256> byte_ids_{};  // byte-level: each byte's token; fallback: that of <0xNN>
};

/// Merges the symbols from `begin` on as far as `merges` allows.
void merge_symbols(const MergeTable& merges, std::vector<Symbol>& symbols, size_t begin);

}  // namespace peft
