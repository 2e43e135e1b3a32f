#include "added_tokens.h"

#include <utf8proc.h>

#include <algorithm>

#include "characters.h"
#include "peft/util/error.h"
#include "peft/util/text.h"
#include "vocabulary.h"

namespace peft {
namespace {

constexpr size_t kLongestContent = 1024;

/// A character of words: letters, marks, decimal digits, connectors (Unicode's \w).
bool is_word(char32_t c) {
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_PC:
      return true;
    default:
      return c == 0x200C || c == 0x200D || (c >= 0x24B6 && c <= 0x24E9);
  }
}

/// Byte of the character that ends before `at`.
size_t character_before(std::string_view text, size_t at) {
  do {
    --at;
  } while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80);
  return at;
}

bool ends_with_word(std::string_view text, size_t at) {
  if (at == 0) {
    return false;
  }
  size_t begin = character_before(text, at);
  return is_word(next_code_point(text, begin));
}

bool starts_with_word(std::string_view text, size_t at) {
  return at < text.size() && is_word(next_code_point(text, at));
}

size_t without_space_before(std::string_view text, size_t at, size_t lowest) {
  while (at > lowest) {
    const size_t begin = character_before(text, at);
    size_t next = begin;
    if (!is_whitespace(next_code_point(text, next))) {
      break;
    }
    at = begin;
  }
  return at;
}

size_t without_space_behind(std::string_view text, size_t at) {
  while (at < text.size()) {
    size_t next = at;
    if (!is_whitespace(next_code_point(text, next))) {
      break;
    }
    at = next;
  }
  return at;
}

}  // namespace

AddedToken read_added_token(const Json& json, std::optional<int64_t> id, const std::string& where) {
  JsonReader<ModelError> reader(json, where);
  AddedToken token;
  int64_t number = id.value_or(0);
  if (!id) {
    reader.require("id", number);
  }
  reader.require("content", token.content);
  reader.read("single_word", token.single_word);
  reader.read("lstrip", token.lstrip);
  reader.read("rstrip", token.rstrip);
  reader.read("special", token.special);
  token.normalized = !token.special;
  reader.read("normalized", token.normalized);
  reader.ignore({"id", "__type"});
  reader.finish();
  check<ModelError>(number >= 0 && number < kLargestVocabulary,
                    "{}: the id {} is not between 0 and {}", where, number, kLargestVocabulary - 1);
  token.id = static_cast<int32_t>(number);
  check<ModelError>(!token.content.empty() && token.content.size() <= kLongestContent,
                    "{}: content: expected 1 to {} bytes, found {}", where, kLongestContent,
                    token.content.size());
  return token;
}

void TextFinder::add(std::string_view text, size_t value) {
  uint32_t node = 0;
  for (const char byte : text) {
    const uint32_t* const next = child(node, byte);
    if (next != nullptr) {
      node = *next;
      continue;
    }
    const auto added = static_cast<uint32_t>(nodes_.size());
    nodes_[node].children.emplace_back(byte, added);
    nodes_.emplace_back();
    node = added;
  }
  nodes_[node].value = value;
}

const uint32_t* TextFinder::child(uint32_t node, char byte) const {
  for (const auto& [known, next] : nodes_[node].children) {
    if (known == byte) {
      return &next;
    }
  }
  return nullptr;
}

std::pair<size_t, size_t> TextFinder::longest_at(std::string_view subject, size_t at,
                                                 const Accepts& accepts) const {
  std::pair<size_t, size_t> longest{0, 0};
  uint32_t node = 0;
  for (size_t i = at; i < subject.size(); ++i) {
    const uint32_t* const next = child(node, subject[i]);
    if (next == nullptr) {
      break;
    }
    node = *next;
    if (nodes_[node].value && (!accepts || accepts(*nodes_[node].value, i + 1 - at))) {
      longest = {i + 1 - at, *nodes_[node].value};
    }
  }
  return longest;
}

AddedTokens::AddedTokens(std::vector<AddedToken> tokens, const Normalizer* normalizer,
                         const std::string& where)
    : tokens_(std::move(tokens)) {
  for (size_t i = 0; i < tokens_.size(); ++i) {
    const AddedToken& token = tokens_[i];
    check<ModelError>(by_id_.emplace(token.id, i).second, "{}: the id {} appears twice", where,
                      token.id);
    check<ModelError>(ids_.emplace(token.content, token.id).second,
                      "{}: the token \"{}\" appears twice", where, escaped(token.content));
    if (!token.normalized) {
      raw_.add(token.content, i);
      continue;
    }
    AlignedText content(token.content, 0);
    if (normalizer != nullptr) {
      normalizer->normalize(content);
    }
    normalized_.add(content.text(), i);
  }
}

const AddedToken* AddedTokens::find(int32_t id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &tokens_[found->second];
}

std::optional<int32_t> AddedTokens::id(std::string_view content) const {
  const auto found = ids_.find(std::string(content));
  return found == ids_.end() ? std::nullopt : std::optional<int32_t>(found->second);
}

bool AddedTokens::is_special(int32_t id) const {
  const AddedToken* const token = find(id);
  return token != nullptr && token->special;
}

int32_t AddedTokens::end() const {
  int32_t end = 0;
  for (const AddedToken& token : tokens_) {
    end = std::max(end, token.id + 1);
  }
  return end;
}

std::vector<AddedTokenMatch> AddedTokens::split(std::string_view text, bool normalized,
                                                const StaysText& stays_text) const {
  const TextFinder& finder = normalized ? normalized_ : raw_;
  std::vector<AddedTokenMatch> parts;
  size_t last = 0;
  for (size_t at = 0; !finder.empty() && at < text.size();) {
    const auto counts = [&, begin = at](size_t index, size_t length) {
      return !tokens_[index].special || !stays_text({begin, begin + length});
    };
    const auto [length, index] =
        finder.longest_at(text, at, stays_text ? TextFinder::Accepts(counts) : nullptr);
    if (length == 0) {
      ++at;
      continue;
    }
    const AddedToken& token = tokens_[index];
    const size_t begin = at;
    at += length;
    if (token.single_word && (ends_with_word(text, begin) || starts_with_word(text, at))) {
      continue;
    }
    // Space that the token before took is not taken again; a token that begins with space of its
    // own overlaps it, as in Hugging Face's offsets.
    const size_t first =
        token.lstrip ? std::max(without_space_before(text, begin, last), last) : begin;
    const ByteRange range{first, token.rstrip ? without_space_behind(text, at) : at};
    if (range.begin > last) {
      parts.push_back({std::nullopt, {last, range.begin}});
    }
    parts.push_back({token.id, range});
    last = range.end;
  }
  if (last < text.size()) {
    parts.push_back({std::nullopt, {last, text.size()}});
  }
  return parts;
}

}  // namespace peft
