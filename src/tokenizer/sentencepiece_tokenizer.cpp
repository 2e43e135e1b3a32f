#include "sentencepiece_tokenizer.h"

#include <sentencepiece_processor.h>

#include <algorithm>
#include <string>

#include "aligned_text.h"
#include "code_points.h"
#include "decoder.h"
#include "peft/util/error.h"
#include "peft/util/json.h"
#include "peft/util/text.h"
#include "sentencepiece_model.h"
#include "vocabulary.h"

namespace peft {
namespace {

constexpr size_t kLargestFile = size_t{64} << 20;

/// A field that is set again wins: normalizer_spec { add_dummy_prefix: false }.
constexpr std::string_view kNoDummyPrefix("\x1A\x02\x18\x00", 4);

constexpr std::string_view kDecoder = R"({"type": "Sequence", "decoders": [
    {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
    {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]})";
constexpr std::string_view kDecoderWithoutPrefix = R"({"type": "Sequence", "decoders": [
    {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
    {"type": "ByteFallback"}, {"type": "Fuse"}]})";

class SentencePieceTokenizer final : public Tokenizer {
 public:
  SentencePieceTokenizer(const std::string& bytes, const TokenizerConfig& config,
                         const std::string& where);

  Encoding encode(std::string_view text, bool add_special_tokens) const override;
  std::string decode(std::span<const int32_t> ids, bool skip_special_tokens) const override;
  std::string token(int32_t id) const override;
  std::optional<int32_t> id(std::string_view token) const override;
  int64_t vocabulary_size() const override { return std::max(vocabulary_.end(), added_.end()); }
  bool is_special(int32_t id) const override { return added_.is_special(id); }

 private:
  void index_pieces(const SentencePieceModel& model, TokenizerConfig config,
                    const std::string& where);
  void encode_part(std::string_view text, const ByteRange& part, CodePointCounter& counter,
                   Encoding& encoding) const;

  sentencepiece::SentencePieceProcessor processor_;
  Vocabulary vocabulary_;
  std::vector<bool> is_byte_;
  AddedTokens added_;
  std::unique_ptr<TokenDecoder> decoder_;
  bool own_prefix_ = false;  // we put the space in front, not the library
  bool legacy_ = true;
  bool add_bos_ = true;
  bool add_eos_ = false;
};

SentencePieceTokenizer::SentencePieceTokenizer(const std::string& bytes,
                                               const TokenizerConfig& config,
                                               const std::string& where) {
  const SentencePieceModel model = read_sentencepiece_model(bytes, where);
  // A library that trims a text would trim our space as well.
  own_prefix_ = model.add_dummy_prefix && !model.remove_extra_whitespaces;
  const auto status =
      processor_.LoadFromSerializedProto(own_prefix_ ? bytes + std::string(kNoDummyPrefix) : bytes);
  check<ModelError>(status.ok(), "{}: the sentencepiece library refuses it: {}", where,
                    status.ToString());
  index_pieces(model, config, where);
  decoder_ = read_decoder(
      parse_json<ModelError>(model.add_dummy_prefix ? kDecoder : kDecoderWithoutPrefix, "decoder"),
      "decoder");
  legacy_ = config.legacy.value_or(true);
  add_bos_ = config.add_bos.value_or(true);
  add_eos_ = config.add_eos.value_or(false);
}

void SentencePieceTokenizer::index_pieces(const SentencePieceModel& model, TokenizerConfig config,
                                          const std::string& where) {
  std::vector<AddedToken> tokens;
  is_byte_.resize(model.pieces.size());
  for (size_t i = 0; i < model.pieces.size(); ++i) {
    const SentencePiece& piece = model.pieces[i];
    const auto id = static_cast<int32_t>(i);
    vocabulary_.add(piece.text, id, where);
    is_byte_[i] = piece.type == PieceType::kByte;
    if (piece.type == PieceType::kControl || piece.type == PieceType::kUnknown) {
      tokens.push_back({.id = id, .content = piece.text, .normalized = false, .special = true});
    }
  }
  const auto name = [&](std::string& token, int64_t id) {
    if (token.empty() && id >= 0) {
      token = model.pieces[static_cast<size_t>(id)].text;
    }
  };
  name(config.unk, model.unk_id);
  name(config.bos, model.bos_id);
  name(config.eos, model.eos_id);
  name(config.pad, model.pad_id);
  const auto find = [this](std::string_view token) { return vocabulary_.find(token); };
  tokens = with_config(std::move(tokens), config, find);
  for (AddedToken& token : tokens) {
    token.normalized = false;  // the library normalises; added tokens stand in the text itself
    const std::optional<int32_t> known = find(token.content);
    if (known ? *known != token.id : vocabulary_.has(token.id)) {
      fail<ModelError>("{}: the added token \"{}\" has the id {} of another piece", where,
                       escaped(token.content), token.id);
    }
  }
  added_ = AddedTokens(std::move(tokens), nullptr, where);
  special_ = special_tokens(config, [this](std::string_view token) { return id(token); });
}

Encoding SentencePieceTokenizer::encode(std::string_view text, bool add_special_tokens) const {
  check<DataError>(is_utf8(text), "a text to tokenize is not valid UTF-8");
  check<DataError>(text.size() < INT32_MAX, "a text of {} bytes is too long to tokenize",
                   text.size());
  Encoding encoding;
  CodePointCounter counter(text);
  const auto add = [&](int32_t id, int64_t begin, int64_t end) {
    encoding.ids.push_back(id);
    encoding.offsets.emplace_back(begin, end);
  };
  if (add_special_tokens && add_bos_ && special_.bos) {
    add(*special_.bos, 0, 0);
  }
  for (const AddedTokenMatch& part : added_.split(text, /*normalized=*/false)) {
    if (part.id) {
      const int64_t begin = counter.before(part.range.begin);
      add(*part.id, begin, counter.before(part.range.end));
    } else {
      encode_part(text, part.range, counter, encoding);
    }
  }
  if (add_special_tokens && add_eos_ && special_.eos) {
    add(*special_.eos, 0, 0);
  }
  return encoding;
}

void SentencePieceTokenizer::encode_part(std::string_view text, const ByteRange& part,
                                         CodePointCounter& counter, Encoding& encoding) const {
  const size_t prefix = own_prefix_ && (legacy_ || part.begin == 0) ? 1 : 0;
  const std::string input = std::string(prefix, ' ').append(text.substr(part.begin, part.size()));
  const AlignedText alignment(text, 0);
  const auto pieces = processor_.EncodeAsImmutableProto(input);
  for (size_t i = 0; i < pieces.pieces_size(); ++i) {
    const auto piece = pieces.pieces(static_cast<int>(i));
    const size_t begin = part.begin + std::max<size_t>(piece.begin(), prefix) - prefix;
    size_t end = part.begin + std::max<size_t>(piece.end(), prefix) - prefix;
    // The space we put in front, and all bytes of a character but its last, have no text of their
    // own; they belong to the character that follows.
    if (end == begin && end < part.end) {
      ++end;
    }
    const ByteRange whole = end > begin ? alignment.original({begin, end}) : ByteRange{begin, end};
    encoding.ids.push_back(static_cast<int32_t>(piece.id()));
    const int64_t first = counter.before(whole.begin);
    encoding.offsets.emplace_back(first, counter.before(whole.end));
  }
}

std::string SentencePieceTokenizer::decode(std::span<const int32_t> ids,
                                           bool skip_special_tokens) const {
  std::vector<std::string> tokens;
  tokens.reserve(ids.size());
  for (const int32_t id : ids) {
    if (const AddedToken* const added = added_.find(id)) {
      if (!added->special || !skip_special_tokens) {
        tokens.push_back(added->content);
      }
    } else if (vocabulary_.has(id)) {
      tokens.push_back(vocabulary_.token(id));
    }
  }
  return join(decoder_->decode(std::move(tokens)), "");
}

std::string SentencePieceTokenizer::token(int32_t id) const {
  if (const AddedToken* const added = added_.find(id)) {
    return added->content;
  }
  check<DataError>(vocabulary_.has(id), "the tokenizer has no token with the id {}", id);
  return vocabulary_.token(id);
}

std::optional<int32_t> SentencePieceTokenizer::id(std::string_view token) const {
  const std::optional<int32_t> added = added_.id(token);
  return added ? added : vocabulary_.find(token);
}

}  // namespace

std::unique_ptr<Tokenizer> load_tokenizer_model(const std::filesystem::path& file,
                                                const TokenizerConfig& config) {
  return std::make_unique<SentencePieceTokenizer>(read_text<ModelError>(file, kLargestFile), config,
                                                  file.string());
}

}  // namespace peft
