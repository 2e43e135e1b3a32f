#include "peft/data/plain_text.h"

#include <fmt/format.h>

#include "peft/util/text.h"

namespace peft {
namespace {

// Dominoes: printable, without case, no white space, in no template and in hardly any row.
constexpr char32_t kFirstMark = 0x1F030;
constexpr char32_t kLastMark = 0x1F093;

std::string utf8(char32_t code_point) {
  std::string text;
  append_utf8(text, code_point);
  return text;
}

// How json.dumps begins every mark in ASCII.
constexpr std::string_view kAsciiMark = "\\ud83c\\udc";

}  // namespace

Encoding encode_plain(const Tokenizer& tokenizer, std::string_view text, bool add_special_tokens,
                      std::span<const TextSpan> plain, const std::string& where) {
  Encoding tokens = tokenizer.encode(text, add_special_tokens, plain);
  const std::optional<int32_t> unknown = tokenizer.special().unk;
  for (const TextSpan& span : plain) {
    const int64_t begin = count_code_points(text.substr(0, span.begin));
    const int64_t end = begin + count_code_points(text.substr(span.begin, span.end - span.begin));
    for (size_t i = 0; i < tokens.ids.size(); ++i) {
      const auto [first, last] = tokens.offsets[i];
      const bool inside = first >= begin && last <= end && first < last;
      check<DataError>(!inside || !tokenizer.is_special(tokens.ids[i]) || tokens.ids[i] == unknown,
                       "{}: the vocabulary makes the special token {} of plain text, so "
                       "data.special_in_text \"plain\" cannot keep it out; change the row, or use "
                       "\"parse\"",
                       where, escaped(tokenizer.token(tokens.ids[i])));
    }
  }
  return tokens;
}

PlainMarks::PlainMarks(const Conversation& conversation, const TextPipeline& pipeline,
                       const std::string& where)
    : tokenizer_(pipeline.tokenizer), where_(where), marked_(conversation) {
  const std::string all =
      conversation.messages.dump() + conversation.tools.dump() + pipeline.chat_template->source();
  char32_t mark = kFirstMark;
  while (mark <= kLastMark && all.find(utf8(mark)) != std::string::npos) {
    ++mark;
  }
  check<DataError>(mark <= kLastMark,
                   "{}: data.special_in_text \"plain\" needs a domino that neither the row nor the "
                   "chat template has; use \"parse\" or \"error\"",
                   where);
  mark_ = utf8(mark);
  marked_.messages = marked(conversation.messages);
  marked_.tools = marked(conversation.tools);
}

Json PlainMarks::marked(const Json& value) {
  if (value.is_string()) {
    return marked(value.get_ref<const std::string&>());
  }
  if (value.is_array()) {
    Json list = Json::array();
    for (const Json& item : value) {
      list.push_back(marked(item));
    }
    return list;
  }
  if (!value.is_object()) {
    return value;
  }
  Json object = Json::object();
  for (const auto& [key, item] : value.items()) {
    object[marked(key)] = marked(item);
  }
  return object;
}

std::string PlainMarks::marked(const std::string& text) {
  const Encoding tokens = tokenizer_.encode(text, /*add_special_tokens=*/false);
  std::string out;
  size_t done = 0;  // bytes copied so far
  for (size_t i = 0; i < tokens.ids.size(); ++i) {
    const auto [first, last] = tokens.offsets[i];
    if (!tokenizer_.is_special(tokens.ids[i]) || tokens.ids[i] == tokenizer_.special().unk) {
      continue;
    }
    // A token may take white space around it, which does not break it.
    const size_t begin = code_point_offset(text, first);
    const std::string taken = text.substr(begin, code_point_offset(text, last) - begin);
    const std::string spelling = tokenizer_.token(tokens.ids[i]);
    const size_t found = taken.find(spelling);
    const std::string token = found == std::string::npos ? taken : spelling;
    const size_t start = begin + (found == std::string::npos ? 0 : found);
    const size_t place = start + code_point_offset(token, 1);
    check<DataError>(place < start + token.size(),
                     "{}: the special token {} is one character, which data.special_in_text "
                     "\"plain\" cannot keep apart; use \"parse\" or \"error\"",
                     where_, escaped(token));
    tokens_.insert(token);
    out.append(text, done, place - done) += mark_;
    done = place;
  }
  return out.append(text, done);
}

TextSpan PlainMarks::token_around(std::string_view text, size_t place) const {
  TextSpan longest;
  for (const std::string& token : tokens_) {
    const size_t first = code_point_offset(token, 1);
    const bool fits = first <= place && text.substr(place - first).starts_with(token);
    if (fits && token.size() > longest.end - longest.begin) {
      longest = {place - first, place - first + token.size()};
    }
  }
  return longest;
}

std::vector<TextSpan> PlainMarks::take_from(std::string& rendering) const {
  if (tokens_.empty()) {
    return {};
  }
  check<DataError>(rendering.find(kAsciiMark) == std::string::npos,
                   "the template writes JSON in ASCII, which data.special_in_text \"plain\" "
                   "cannot follow; use \"parse\" or \"error\"");
  std::string text;
  std::vector<size_t> places;
  size_t at = 0;
  for (size_t mark = rendering.find(mark_); mark != std::string::npos;
       mark = rendering.find(mark_, at)) {
    text.append(rendering, at, mark - at);
    places.push_back(text.size());
    at = mark + mark_.size();
  }
  rendering = text.append(rendering, at);
  std::vector<TextSpan> spans;
  for (const size_t place : places) {
    if (const TextSpan span = token_around(rendering, place); span.begin < span.end) {
      spans.push_back(span);
    }
  }
  return spans;
}

}  // namespace peft
