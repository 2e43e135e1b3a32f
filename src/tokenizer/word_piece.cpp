#include "word_piece.h"

#include "peft/util/error.h"
#include "peft/util/text.h"

namespace peft {

WordPieceModel::WordPieceModel(const Json& model, const std::string& where) {
  JsonReader<ModelError> reader(model, where);
  std::string prefix = "##";
  reader.ignore({"type", "vocab"});
  reader.read("continuing_subword_prefix", prefix);
  reader.read("max_input_chars_per_word", longest_word_);
  check<ModelError>(reader.has("vocab"), "{}: expected \"vocab\"", where);
  read_vocabulary(model.at("vocab"), vocabulary_, where + ".vocab");
  unknown_ = require_unknown_token(reader, vocabulary_);
  reader.finish();
  index_tokens(prefix);
}

void WordPieceModel::index_tokens(const std::string& prefix) {
  size_t bytes = 0;
  for (int32_t id = 0; id < vocabulary_.end(); ++id) {
    bytes += vocabulary_.has(id) ? vocabulary_.token(id).size() : 0;
  }
  first_.reserve(bytes);
  later_.reserve(bytes / 2);
  for (int32_t id = 0; id < vocabulary_.end(); ++id) {
    if (!vocabulary_.has(id) || vocabulary_.token(id).empty()) {
      continue;
    }
    const std::string_view token = vocabulary_.token(id);
    first_.insert(token, id);
    if (token.size() > prefix.size() && token.starts_with(prefix)) {
      later_.insert(token.substr(prefix.size()), id);
    }
  }
}

void WordPieceModel::encode(std::string_view word, std::vector<Symbol>& symbols) const {
  const size_t first_symbol = symbols.size();
  const auto give_up = [&] {
    symbols.resize(first_symbol);
    symbols.push_back({unknown_, static_cast<uint32_t>(word.size())});
  };
  if (word.size() > longest_word_ &&
      count_code_points(word) > static_cast<int64_t>(longest_word_)) {
    give_up();
    return;
  }
  for (size_t at = 0; at < word.size();) {
    const PrefixTrie& trie = at == 0 ? first_ : later_;
    Symbol longest;
    PrefixTrie::Node node = PrefixTrie::kRoot;
    for (size_t i = at; i < word.size(); ++i) {
      node = trie.step(node, word[i]);
      if (node == PrefixTrie::kNowhere) {
        break;
      }
      if (trie.id(node) != PrefixTrie::kNoId) {
        longest = {trie.id(node), static_cast<uint32_t>(i + 1 - at)};
      }
    }
    if (longest.length == 0) {
      give_up();
      return;
    }
    symbols.push_back(longest);
    at += longest.length;
  }
}

}  // namespace peft
