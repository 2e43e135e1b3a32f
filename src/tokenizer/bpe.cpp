#include "bpe.h"

#include <algorithm>

#include "aligned_text.h"
#include "byte_level.h"
#include "peft/util/error.h"
#include "peft/util/text.h"

namespace peft {
namespace {

constexpr int32_t kNoToken = -1;  // a byte without one

using Reader = JsonReader<ModelError>;

/// The two tokens of a merge, written "a b" or ["a", "b"]; empty when it is neither.
std::pair<std::string_view, std::string_view> pair_of(const Json& merge) {
  if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
    return {merge[0].get_ref<const std::string&>(), merge[1].get_ref<const std::string&>()};
  }
  if (!merge.is_string()) {
    return {};
  }
  const std::string_view both = merge.get_ref<const std::string&>();
  const size_t space = both.find(' ');
  if (space == std::string_view::npos || both.find(' ', space + 1) != std::string_view::npos) {
    return {};
  }
  return {both.substr(0, space), both.substr(space + 1)};
}

}  // namespace

BytePairModel::BytePairModel(const Json& model, bool byte_level, const std::string& where)
    : byte_level_(byte_level) {
  Reader reader(model, where);
  std::string unknown;
  double dropout = 0.0;
  reader.ignore({"type", "vocab", "merges"});
  reader.read("dropout", dropout);
  reader.read("unk_token", unknown);
  reader.read("fuse_unk", fuse_unknown_);
  reader.read("byte_fallback", byte_fallback_);
  reader.read("ignore_merges", ignore_merges_);
  reader.read("continuing_subword_prefix", prefix_);
  reader.read("end_of_word_suffix", suffix_);
  reader.finish();
  check<ModelError>(dropout == 0.0, "{}: dropout: {} is not supported", where, dropout);
  check<ModelError>(reader.has("vocab") && reader.has("merges"),
                    "{}: expected \"vocab\" and \"merges\"", where);
  read_vocabulary(model.at("vocab"), vocabulary_, where + ".vocab");
  index_words();
  read_merges(model.at("merges"), where + ".merges");
  index_bytes(where + ".vocab");
  if (!unknown.empty()) {
    unknown_ = vocabulary_.find(unknown);
    check<ModelError>(unknown_.has_value(), "{}: unk_token: \"{}\" is not in the vocabulary", where,
                      escaped(unknown));
  }
}

void BytePairModel::index_words() {
  if (!ignore_merges_ || !byte_level_) {
    return;
  }
  words_.reserve(vocabulary_.size(), 8 * vocabulary_.size());
  for (int32_t id = 0; id < vocabulary_.end(); ++id) {
    if (vocabulary_.has(id)) {
      if (const std::optional<std::string> bytes = bytes_of_spelling(vocabulary_.token(id))) {
        words_.insert(*bytes, id);
      }
    }
  }
}

void BytePairModel::read_merges(const Json& merges, const std::string& where) {
  check<ModelError>(merges.is_array(), "{}: expected a list, found {}", where, json_kind(merges));
  merges_.reserve(merges.size());
  uint32_t rank = 0;
  for (const Json& merge : merges) {
    const auto [left, right] = pair_of(merge);
    if (left.empty()) {
      fail<ModelError>("{}[{}]: expected two tokens, found {}", where, rank, json_excerpt(merge));
    }
    add_merge(left, right, rank, where);
    ++rank;
  }
}

void BytePairModel::add_merge(std::string_view left, std::string_view right, uint32_t rank,
                              const std::string& where) {
  const auto id_of = [&](std::string_view token) {
    const std::optional<int32_t> id = vocabulary_.find(token);
    if (!id) {
      fail<ModelError>("{}[{}]: \"{}\" is not in the vocabulary", where, rank, escaped(token));
    }
    return *id;
  };
  std::string both;
  both.reserve(left.size() + right.size());
  const bool prefixed = !prefix_.empty() && right.starts_with(prefix_);
  both.append(left).append(right.substr(prefixed ? prefix_.size() : 0));
  const int32_t left_id = id_of(left);
  const int32_t right_id = id_of(right);
  merges_.insert(left_id, right_id, {rank, id_of(both)});
}

void BytePairModel::index_bytes(const std::string& where) {
  const auto token_of = [this](unsigned byte) {
    return byte_level_ ? std::string(spelling_of_byte(static_cast<uint8_t>(byte)))
                       : fmt::format("<0x{:02X}>", byte);
  };
  // Small vocabularies ask for byte fallback and have no byte tokens: every strange character is
  // then unknown.
  byte_fallback_ = byte_fallback_ && !byte_level_ && vocabulary_.find(token_of(0)).has_value();
  if (!byte_level_ && !byte_fallback_) {
    return;
  }
  for (unsigned byte = 0; byte < 256; ++byte) {
    const std::string token = token_of(byte);
    const std::optional<int32_t> id = vocabulary_.find(token);
    // Real vocabularies (SmolLM2's) leave out control characters and bytes that their training
    // text never had; a printable one that is missing is damage.
    const bool printable = byte > 0x20 && byte < 0x7F;
    check<ModelError>(id.has_value() || !printable, "{}: the token \"{}\" of byte {} is missing",
                      where, escaped(token), byte);
    byte_ids_[byte] = id.value_or(kNoToken);
  }
}

void BytePairModel::encode(std::string_view word, std::vector<Symbol>& symbols) const {
  if (ignore_merges_) {
    const std::optional<int32_t> id = byte_level_ ? words_.find(word) : vocabulary_.find(word);
    if (id) {
      symbols.push_back({*id, static_cast<uint32_t>(word.size())});
      return;
    }
  }
  const size_t begin = symbols.size();
  split_units(word, symbols);
  merge_symbols(merges_, symbols, begin);
}

bool BytePairModel::append_byte_tokens(std::string_view character,
                                       std::vector<Symbol>& symbols) const {
  const auto id_of = [this](char byte) { return byte_ids_[static_cast<uint8_t>(byte)]; };
  if (!byte_fallback_ || std::any_of(character.begin(), character.end(),
                                     [&](char byte) { return id_of(byte) == kNoToken; })) {
    return false;
  }
  for (const char byte : character) {
    symbols.push_back({id_of(byte), 1});
  }
  return true;
}

std::optional<int32_t> BytePairModel::unit_id(std::string_view unit, bool first, bool last) const {
  const bool marked = (!first && !prefix_.empty()) || (last && !suffix_.empty());
  if (marked) {
    std::string token = first ? "" : prefix_;
    token += byte_level_ ? spelling_of_byte(static_cast<uint8_t>(unit[0])) : unit;
    return vocabulary_.find(last ? token + suffix_ : token);
  }
  if (!byte_level_) {
    return vocabulary_.find(unit);
  }
  const int32_t id = byte_ids_[static_cast<uint8_t>(unit[0])];
  return id == kNoToken ? std::nullopt : std::optional<int32_t>(id);
}

void BytePairModel::split_units(std::string_view word, std::vector<Symbol>& symbols) const {
  // An unknown stretch is written when something known follows it, even behind byte tokens: the
  // reference does so.
  std::optional<Symbol> unknown;
  const auto write_unknown = [&] {
    if (unknown) {
      symbols.push_back(*unknown);
    }
    unknown.reset();
  };
  for (size_t at = 0; at < word.size();) {
    const std::string_view unit = word.substr(at, byte_level_ ? 1 : utf8_length(word[at]));
    const auto length = static_cast<uint32_t>(unit.size());
    const bool first = at == 0;
    at += length;
    if (const std::optional<int32_t> id = unit_id(unit, first, at == word.size())) {
      write_unknown();
      symbols.push_back({*id, length});
    } else if (append_byte_tokens(unit, symbols) || !unknown_) {
      continue;
    } else if (unknown && fuse_unknown_) {
      unknown->length += length;
    } else {
      write_unknown();
      unknown = Symbol{*unknown_, length};
    }
  }
  write_unknown();
}

}  // namespace peft
