#include "unigram.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "aligned_text.h"
#include "peft/util/error.h"
#include "peft/util/text.h"

namespace peft {
namespace {

/// How much worse than the worst token an unknown character is, as in sentencepiece.
constexpr double kUnknownPenalty = 10.0;

/// The number that the reference's parser makes of a decimal fraction: its digits as an integer,
/// rounded, and then divided or multiplied by a power of ten, rounded again.
double read_as_reference(double number) {
  const std::string text = fmt::format("{}", number);  // as few digits as tell it from others
  const size_t exponent_at = std::min(text.find('e'), text.size());
  int64_t exponent = exponent_at < text.size() ? std::stoi(text.substr(exponent_at + 1)) : 0;
  uint64_t digits = 0;
  bool fraction = false;
  for (const char c : text.substr(0, exponent_at)) {
    if (c == '.') {
      fraction = true;
    } else if (c != '-') {
      digits = 10 * digits + static_cast<uint64_t>(c - '0');
      exponent -= fraction ? 1 : 0;
    }
  }
  const double scale = std::pow(10.0, static_cast<double>(std::abs(exponent)));
  const double size =
      exponent < 0 ? static_cast<double>(digits) / scale : static_cast<double>(digits) * scale;
  return number < 0 ? -size : size;
}

}  // namespace

void read_scores_as_reference(Json& tokenizer) {
  const Json::json_pointer pieces("/model/vocab");
  if (!tokenizer.contains(pieces) || !tokenizer.at(pieces).is_array()) {
    return;
  }
  for (Json& piece : tokenizer.at(pieces)) {
    if (piece.is_array() && piece.size() == 2 && piece[1].is_number_float()) {
      piece[1] = read_as_reference(piece[1].get<double>());
    }
  }
}

UnigramModel::UnigramModel(const Json& model, const std::string& where) {
  JsonReader<ModelError> reader(model, where);
  reader.ignore({"type", "vocab"});
  reader.read("unk_id", unknown_);
  reader.read("byte_fallback", byte_fallback_);
  reader.finish();
  check<ModelError>(reader.has("vocab"), "{}: expected \"vocab\"", where);
  read_pieces(model.at("vocab"), where + ".vocab");
  check<ModelError>(!unknown_ || vocabulary_.has(*unknown_),
                    "{}: unk_id: {} is not among the {} tokens", where, unknown_.value_or(0),
                    vocabulary_.size());
  for (unsigned byte = 0; byte < 256; ++byte) {
    byte_ids_[byte] = vocabulary_.find(fmt::format("<0x{:02X}>", byte)).value_or(-1);
  }
}

void UnigramModel::read_pieces(const Json& pieces, const std::string& where) {
  check<ModelError>(pieces.is_array() && !pieces.empty(), "{}: expected a list of tokens", where);
  vocabulary_.reserve(pieces.size(), 8 * pieces.size());
  trie_.reserve(4 * pieces.size());
  scores_.reserve(pieces.size());
  for (const Json& piece : pieces) {
    const auto id = static_cast<int32_t>(scores_.size());
    if (!piece.is_array() || piece.size() != 2 || !piece[0].is_string() || !piece[1].is_number()) {
      fail<ModelError>("{}[{}]: expected [token, score], found {}", where, id, json_excerpt(piece));
    }
    const auto& token = piece[0].get_ref<const std::string&>();
    vocabulary_.add(token, id, where);
    scores_.push_back(piece[1].get<double>());
    if (!std::isfinite(scores_.back())) {
      fail<ModelError>("{}[{}]: the score of \"{}\" is not finite", where, id, escaped(token));
    }
    if (!token.empty()) {
      trie_.insert(token, id);
    }
  }
  unknown_score_ = *std::min_element(scores_.begin(), scores_.end()) - kUnknownPenalty;
}

std::vector<UnigramModel::Step> UnigramModel::best_steps(std::string_view word) const {
  std::vector<Step> best(word.size() + 1);
  const auto offer = [&](size_t begin, size_t end, double score, int32_t id) {
    Step& step = best[end];
    if (step.begin == kUnreached || score > step.score) {
      step = {score, static_cast<uint32_t>(begin), id};
    }
  };
  for (size_t at = 0; at < word.size();) {
    const double score = best[at].score;
    const size_t character = utf8_length(word[at]);
    bool single = false;  // the character is a token
    PrefixTrie::Node node = PrefixTrie::kRoot;
    for (size_t end = at; end < word.size();) {
      node = trie_.step(node, word[end]);
      if (node == PrefixTrie::kNowhere) {
        break;
      }
      ++end;
      if (const int32_t id = trie_.id(node); id != PrefixTrie::kNoId) {
        offer(at, end, scores_[static_cast<size_t>(id)] + score, id);
        single = single || end - at == character;
      }
    }
    if (!single) {
      check<DataError>(unknown_.has_value(),
                       "the tokenizer has no token for the character \"{}\" and none for unknown "
                       "characters",
                       word.substr(at, character));
      offer(at, at + character, unknown_score_ + score, *unknown_);
    }
    at += character;
  }
  return best;
}

void UnigramModel::encode(std::string_view word, std::vector<Symbol>& symbols) const {
  const std::vector<Step> best = best_steps(word);
  const size_t first = symbols.size();
  for (size_t end = word.size(); end > 0; end = best[end].begin) {
    const auto length = static_cast<uint32_t>(end - best[end].begin);
    const bool joins =
        unknown_ == best[end].id && symbols.size() > first && symbols.back().id == *unknown_;
    if (joins) {
      symbols.back().length += length;
    } else {
      symbols.push_back({best[end].id, length});
    }
  }
  std::reverse(symbols.begin() + static_cast<std::ptrdiff_t>(first), symbols.end());
  const auto is_unknown = [this](const Symbol& symbol) { return unknown_ == symbol.id; };
  if (std::none_of(symbols.begin() + static_cast<std::ptrdiff_t>(first), symbols.end(),
                   is_unknown)) {
    return;
  }
  const std::vector<Symbol> path(symbols.begin() + static_cast<std::ptrdiff_t>(first),
                                 symbols.end());
  symbols.resize(first);
  size_t at = 0;
  for (const Symbol& symbol : path) {
    if (is_unknown(symbol)) {
      append_unknown(word.substr(at, symbol.length), symbols);
    } else {
      symbols.push_back(symbol);
    }
    at += symbol.length;
  }
}

void UnigramModel::append_unknown(std::string_view piece, std::vector<Symbol>& symbols) const {
  const auto length = static_cast<uint32_t>(piece.size());
  // Characters that were unknown one by one may be a token together.
  if (const std::optional<int32_t> id = vocabulary_.find(piece)) {
    symbols.push_back({*id, length});
    return;
  }
  const auto id_of = [this](char byte) { return byte_ids_[static_cast<uint8_t>(byte)]; };
  if (!byte_fallback_ ||
      std::any_of(piece.begin(), piece.end(), [&](char byte) { return id_of(byte) < 0; })) {
    symbols.push_back({*unknown_, length});
    return;
  }
  for (size_t i = 0; i < piece.size(); ++i) {
    symbols.push_back({id_of(piece[i]), i + 1 == piece.size() ? length : 0});
  }
}

}  // namespace peft
