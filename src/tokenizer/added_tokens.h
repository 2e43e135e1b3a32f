#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "aligned_text.h"
#include "normalizer.h"
#include "peft/util/json.h"

namespace peft {

/// A token that is looked for in the text itself, before the model sees it.
struct AddedToken {
  int32_t id = 0;
  std::string content;
  bool single_word = false;  ///< only between characters that form no words
  bool lstrip = false;       ///< takes the white space before it
  bool rstrip = false;       ///< takes the white space behind it
  bool normalized = true;    ///< looked for after normalisation
  bool special = false;
};

/// Reads one object of tokenizer.json's "added_tokens" or the value of an added_tokens_decoder,
/// whose id is its key.
AddedToken read_added_token(const Json& json, std::optional<int64_t> id, const std::string& where);

/// A part of a text that is an added token, or with no id, is not.
struct AddedTokenMatch {
  std::optional<int32_t> id;
  ByteRange range;
};

/// True for a range of the text in which a special token is text like any other.
using StaysText = std::function<bool(const ByteRange&)>;

/// Finds the leftmost longest of many texts, by a trie.
class TextFinder {
 public:
  void add(std::string_view text, size_t value);
  bool empty() const { return nodes_.size() == 1; }
  /// Length and value of the longest text that stands at `at`; length 0 when none does.
  /// Only texts whose value and length `accepts` lets pass are found, if it is given.
  using Accepts = std::function<bool(size_t value, size_t length)>;
  std::pair<size_t, size_t> longest_at(std::string_view subject, size_t at,
                                       const Accepts& accepts = {}) const;

 private:
  struct Node {
    std::vector<std::pair<char, uint32_t>> children;
    std::optional<size_t> value;
  };
  const uint32_t* child(uint32_t node, char byte) const;
  std::vector<Node> nodes_ = std::vector<Node>(1);
};

/// All added tokens of a tokenizer.
class AddedTokens {
 public:
  AddedTokens() = default;
  /// Throws ModelError for a token that is empty, overlong, or listed twice with different ids.
  AddedTokens(std::vector<AddedToken> tokens, const Normalizer* normalizer,
              const std::string& where);

  const std::vector<AddedToken>& tokens() const { return tokens_; }
  /// The token of an id, or null.
  const AddedToken* find(int32_t id) const;
  std::optional<int32_t> id(std::string_view content) const;
  bool is_special(int32_t id) const;
  /// One more than the largest id.
  int32_t end() const;

  /// Cuts a text at the tokens that are looked for before (`normalized` false) or after
  /// normalisation. The parts cover the text. `stays_text`, if given, is asked about every special
  /// token before it counts.
  std::vector<AddedTokenMatch> split(std::string_view text, bool normalized,
                                     const StaysText& stays_text = {}) const;

 private:
  std::vector<AddedToken> tokens_;
  std::unordered_map<int32_t, size_t> by_id_;
  std::unordered_map<std::string, int32_t> ids_;
  TextFinder raw_;
  TextFinder normalized_;
};

}  // namespace peft
