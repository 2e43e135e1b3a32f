#include "tokenizer_json.h"

#include <algorithm>

#include "characters.h"
#include "code_points.h"
#include "decoder.h"
#include "normalizer.h"
#include "peft/util/error.h"
#include "peft/util/text.h"
#include "post_processor.h"
#include "pre_tokenizer.h"
#include "token_model.h"
#include "unigram.h"

namespace peft {
namespace {

using Reader = JsonReader<ModelError>;

constexpr size_t kLargestTokenizer = size_t{256} << 20;

/// White space and its stand-in at both ends of a token, in characters.
Margins margins_of(std::string_view token) {
  Margins margins;
  int64_t run = 0;  // characters of white space since the last other one
  bool inside = false;
  for (size_t at = 0; at < token.size();) {
    const char32_t c = next_code_point(token, at);
    if (c == U'Ġ' || is_whitespace(c)) {
      ++run;
      continue;
    }
    margins.leading = inside ? margins.leading : run;
    inside = true;
    run = 0;
  }
  margins.leading = inside ? margins.leading : run;
  margins.trailing = run;
  return margins;
}

/// Normaliser, added tokens, pre-tokenizer, model, post-processor and decoder in a row.
class JsonTokenizer final : public Tokenizer {
 public:
  JsonTokenizer(const Json& json, const TokenizerConfig& config, const std::string& where);

  PairFrame pair_frame() const override;
  Encoding encode(std::string_view text, bool add_special_tokens,
                  std::span<const TextSpan> plain) const override;
  std::string decode(std::span<const int32_t> ids, bool skip_special_tokens) const override;
  std::string token(int32_t id) const override;
  std::optional<int32_t> id(std::string_view token) const override;
  int64_t vocabulary_size() const override;
  bool is_special(int32_t id) const override { return added_.is_special(id); }

 private:
  /// A text on its way through the stages.
  struct Work {
    std::string_view text;
    std::span<const TextSpan> plain;  // where special tokens stay text
    CodePointCounter counter;
    ByteRange counted = {};  // what lies between the code points `begin` and `end`
    int64_t begin = 0;
    int64_t end = 0;
    std::vector<FoundToken> tokens = {};
    std::vector<Margins> margins = {};
    std::vector<ByteRange> words = {};
    std::vector<Symbol> symbols = {};

    bool stays_text(const ByteRange& range) const {
      return std::any_of(plain.begin(), plain.end(), [&](const TextSpan& span) {
        return span.begin <= range.begin && range.end <= span.end;
      });
    }
  };

  void read_stages(const Json& json, const std::string& where);
  void read_added_tokens(const Json& json, const TokenizerConfig& config, const std::string& where);
  void encode_part(Work& work, const ByteRange& range) const;
  void encode_words(Work& work, AlignedText& part) const;
  void add_token(Work& work, int32_t id, const ByteRange& original,
                 std::string_view spelling) const;

  std::unique_ptr<Normalizer> normalizer_;
  std::unique_ptr<PreTokenizer> pre_tokenizer_;
  std::unique_ptr<PostProcessor> post_processor_;
  std::unique_ptr<TokenDecoder> decoder_;
  std::unique_ptr<TokenModel> model_;
  AddedTokens added_;
  bool reads_margins_ = false;
};

JsonTokenizer::JsonTokenizer(const Json& json, const TokenizerConfig& config,
                             const std::string& where) {
  read_stages(json, where);
  read_added_tokens(json, config, where + ": added_tokens");
  special_ = special_tokens(config, [this](std::string_view token) { return id(token); });
}

void JsonTokenizer::read_stages(const Json& json, const std::string& where) {
  Reader reader(json, where);
  reader.ignore({"version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer",
                 "post_processor", "decoder", "model"});
  reader.finish();
  if (reader.has("normalizer")) {
    normalizer_ = read_normalizer(json.at("normalizer"), where + ": normalizer");
  }
  if (reader.has("pre_tokenizer")) {
    pre_tokenizer_ = read_pre_tokenizer(json.at("pre_tokenizer"), where + ": pre_tokenizer");
  }
  if (reader.has("post_processor")) {
    post_processor_ = read_post_processor(json.at("post_processor"), where + ": post_processor");
    reads_margins_ = post_processor_->reads_margins();
  }
  if (reader.has("decoder")) {
    decoder_ = read_decoder(json.at("decoder"), where + ": decoder");
  }
  check<ModelError>(reader.has("model"), "{}: model: expected an object", where);
  model_ =
      read_token_model(json.at("model"), pre_tokenizer_ != nullptr && pre_tokenizer_->byte_level(),
                       where + ": model");
}

void JsonTokenizer::read_added_tokens(const Json& json, const TokenizerConfig& config,
                                      const std::string& where) {
  std::vector<AddedToken> tokens;
  const auto list = json.find("added_tokens");
  if (list != json.end() && !list->is_null()) {
    check<ModelError>(list->is_array(), "{}: expected a list, found {}", where, json_kind(*list));
    for (size_t i = 0; i < list->size(); ++i) {
      tokens.push_back(read_added_token((*list)[i], std::nullopt, fmt::format("{}[{}]", where, i)));
    }
  }
  const Vocabulary& vocabulary = model_->vocabulary();
  tokens = with_config(std::move(tokens), config,
                       [&](std::string_view token) { return vocabulary.find(token); });
  for (const AddedToken& token : tokens) {
    const std::optional<int32_t> id = vocabulary.find(token.content);
    if (id && *id != token.id) {
      fail<ModelError>("{}: \"{}\" has the id {}, but {} in the vocabulary", where,
                       escaped(token.content), token.id, *id);
    }
    if (!id && vocabulary.has(token.id)) {
      fail<ModelError>("{}: the id {} of \"{}\" is that of \"{}\" in the vocabulary", where,
                       token.id, escaped(token.content), escaped(vocabulary.token(token.id)));
    }
  }
  added_ = AddedTokens(std::move(tokens), normalizer_.get(), where);
}

PairFrame JsonTokenizer::pair_frame() const {
  return post_processor_ == nullptr ? PairFrame{{}, {}, {}, 0} : post_processor_->pair_frame();
}

Encoding JsonTokenizer::encode(std::string_view text, bool add_special_tokens,
                               std::span<const TextSpan> plain) const {
  check<DataError>(is_utf8(text), "a text to tokenize is not valid UTF-8");
  check<DataError>(text.size() < UINT32_MAX, "a text of {} bytes is too long to tokenize",
                   text.size());
  Work work{.text = text, .plain = plain, .counter = CodePointCounter(text)};
  work.tokens.reserve(text.size() / 4 + 8);
  const auto stays_text = [&](const ByteRange& range) { return work.stays_text(range); };
  for (const AddedTokenMatch& part :
       added_.split(text, /*normalized=*/false, plain.empty() ? StaysText() : stays_text)) {
    if (part.id) {
      add_token(work, *part.id, part.range, text.substr(part.range.begin, part.range.size()));
    } else {
      encode_part(work, part.range);
    }
  }
  if (post_processor_ != nullptr) {
    post_processor_->process(work.tokens, work.margins, add_special_tokens);
  }
  Encoding encoding;
  encoding.ids.reserve(work.tokens.size());
  encoding.offsets.reserve(work.tokens.size());
  for (const FoundToken& token : work.tokens) {
    encoding.ids.push_back(token.id);
    encoding.offsets.emplace_back(token.begin, token.end);
  }
  return encoding;
}

void JsonTokenizer::encode_part(Work& work, const ByteRange& range) const {
  AlignedText part(work.text.substr(range.begin, range.size()), range.begin);
  if (normalizer_ != nullptr) {
    normalizer_->normalize(part);
  }
  const auto stays_text = [&](const ByteRange& piece) {
    return work.stays_text(part.original(piece));
  };
  const std::vector<AddedTokenMatch> pieces =
      added_.split(part.text(), /*normalized=*/true, work.plain.empty() ? StaysText() : stays_text);
  if (pieces.size() == 1 && !pieces[0].id) {
    encode_words(work, part);
    return;
  }
  for (const AddedTokenMatch& piece : pieces) {
    AlignedText slice = part.slice(piece.range);
    if (piece.id) {
      add_token(work, *piece.id, part.original(piece.range), slice.text());
    } else {
      encode_words(work, slice);
    }
  }
}

void JsonTokenizer::encode_words(Work& work, AlignedText& part) const {
  work.words.assign(1, {0, part.text().size()});
  if (pre_tokenizer_ != nullptr) {
    pre_tokenizer_->split(part, work.words);
  }
  for (const ByteRange& word : work.words) {
    work.symbols.clear();
    model_->encode(std::string_view(part.text()).substr(word.begin, word.size()), work.symbols);
    size_t at = word.begin;
    size_t covering = 0;  // the symbol whose bytes another one shares
    for (size_t i = 0; i < work.symbols.size(); ++i) {
      covering = std::max(covering, i);
      while (work.symbols[covering].length == 0) {
        ++covering;
      }
      const Symbol& symbol = work.symbols[i];
      add_token(work, symbol.id, part.original({at, at + work.symbols[covering].length}),
                model_->vocabulary().token(symbol.id));
      at += symbol.length;
    }
  }
}

void JsonTokenizer::add_token(Work& work, int32_t id, const ByteRange& original,
                              std::string_view spelling) const {
  // Tokens that share their text come one after another and may be many: it is counted once.
  if (original != work.counted) {
    work.counted = original;
    work.begin = work.counter.before(original.begin);
    work.end = work.counter.before(original.end);
  }
  work.tokens.push_back({id, work.begin, work.end});
  if (reads_margins_) {
    work.margins.push_back(margins_of(spelling));
  }
}

std::string JsonTokenizer::decode(std::span<const int32_t> ids, bool skip_special_tokens) const {
  std::vector<std::string> tokens;
  tokens.reserve(ids.size());
  for (const int32_t id : ids) {
    if (const AddedToken* const added = added_.find(id)) {
      if (!added->special || !skip_special_tokens) {
        tokens.push_back(added->content);
      }
    } else if (model_->vocabulary().has(id)) {
      tokens.push_back(model_->vocabulary().token(id));
    }
  }
  return decoder_ != nullptr ? join(decoder_->decode(std::move(tokens)), "") : join(tokens, " ");
}

std::string JsonTokenizer::token(int32_t id) const {
  if (const AddedToken* const added = added_.find(id)) {
    return added->content;
  }
  check<DataError>(model_->vocabulary().has(id), "the tokenizer has no token with the id {}", id);
  return model_->vocabulary().token(id);
}

std::optional<int32_t> JsonTokenizer::id(std::string_view token) const {
  const std::optional<int32_t> added = added_.id(token);
  return added ? added : model_->vocabulary().find(token);
}

int64_t JsonTokenizer::vocabulary_size() const {
  return std::max(model_->vocabulary().end(), added_.end());
}

}  // namespace

std::unique_ptr<Tokenizer> make_tokenizer(const Json& json, const TokenizerConfig& config,
                                          const std::string& where) {
  return std::make_unique<JsonTokenizer>(json, config, where);
}

std::unique_ptr<Tokenizer> load_tokenizer_json(const std::filesystem::path& file,
                                               const TokenizerConfig& config) {
  Json json = read_json<ModelError>(file, {kLargestTokenizer, 64});
  read_scores_as_reference(json);
  return make_tokenizer(json, config, file.string());
}

}  // namespace peft
