#include "decoder.h"

#include <algorithm>

#include "aligned_text.h"
#include "byte_level.h"
#include "metaspace.h"
#include "peft/util/text.h"
#include "split_pattern.h"
#include "word_decoders.h"

namespace peft {
namespace {

using Reader = JsonReader<ModelError>;
using Tokens = std::vector<std::string>;

constexpr std::string_view kReplacementCharacter = "\uFFFD";

class ByteLevelDecoder final : public TokenDecoder {
 public:
  Tokens decode(Tokens tokens) const override {
    std::string bytes;
    for (const std::string& token : tokens) {
      bytes += bytes_of_spelling(token).value_or(token);
    }
    return {utf8_lossy(std::move(bytes))};
  }
};

class ReplaceDecoder final : public TokenDecoder {
 public:
  ReplaceDecoder(SplitPattern pattern, std::string content)
      : pattern_(std::move(pattern)), content_(std::move(content)) {}

  Tokens decode(Tokens tokens) const override {
    for (std::string& token : tokens) {
      std::string replaced;
      size_t last = 0;
      for (const ByteRange& match : pattern_.matches(token)) {
        replaced.append(token, last, match.begin - last).append(content_);
        last = match.end;
      }
      token = replaced.append(token, last);
    }
    return tokens;
  }

 private:
  SplitPattern pattern_;
  std::string content_;
};

/// The byte that "<0x0A>" stands for, or -1.
int byte_of(const std::string& token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token.back() != '>') {
    return -1;
  }
  int value = 0;
  for (const char c : token.substr(3, 2)) {
    const char lower = static_cast<char>(c | 0x20);
    if (!(c >= '0' && c <= '9') && !(lower >= 'a' && lower <= 'f')) {
      return -1;
    }
    value = 16 * value + (c <= '9' ? c - '0' : lower - 'a' + 10);
  }
  return value;
}

/// A run of byte tokens becomes the text it spells, or if it spells none, one U+FFFD per byte.
class ByteFallbackDecoder final : public TokenDecoder {
 public:
  Tokens decode(Tokens tokens) const override {
    Tokens result;
    std::string run;
    const auto end_run = [&] {
      if (is_utf8(run)) {
        if (!run.empty()) {
          result.push_back(run);
        }
      } else {
        result.insert(result.end(), run.size(), std::string(kReplacementCharacter));
      }
      run.clear();
    };
    for (std::string& token : tokens) {
      if (const int byte = byte_of(token); byte >= 0) {
        run += static_cast<char>(byte);
        continue;
      }
      end_run();
      result.push_back(std::move(token));
    }
    end_run();
    return result;
  }
};

class FuseDecoder final : public TokenDecoder {
 public:
  Tokens decode(Tokens tokens) const override { return {join(tokens, "")}; }
};

/// Takes up to `start` copies of a character from the front of each part and `stop` from its end.
class StripDecoder final : public TokenDecoder {
 public:
  StripDecoder(std::string content, size_t start, size_t stop)
      : content_(std::move(content)), start_(start), stop_(stop) {}

  Tokens decode(Tokens tokens) const override {
    for (std::string& token : tokens) {
      for (size_t i = 0; i < start_ && token.starts_with(content_); ++i) {
        token.erase(0, content_.size());
      }
      for (size_t i = 0; i < stop_ && token.ends_with(content_); ++i) {
        token.resize(token.size() - content_.size());
      }
    }
    return tokens;
  }

 private:
  std::string content_;
  size_t start_;
  size_t stop_;
};

class MetaspaceDecoder final : public TokenDecoder {
 public:
  MetaspaceDecoder(std::string replacement, bool prepended)
      : replacement_(std::move(replacement)), prepended_(prepended) {}

  Tokens decode(Tokens tokens) const override {
    const SplitPattern pattern = SplitPattern::text(replacement_);
    for (size_t i = 0; i < tokens.size(); ++i) {
      const bool dropped = i == 0 && prepended_;
      std::string shown;
      size_t last = 0;
      for (const ByteRange& match : pattern.matches(tokens[i])) {
        shown.append(tokens[i], last, match.begin - last).append(dropped ? "" : " ");
        last = match.end;
      }
      tokens[i] = shown.append(tokens[i], last);
    }
    return tokens;
  }

 private:
  std::string replacement_;
  bool prepended_;
};

class SequenceDecoder final : public TokenDecoder {
 public:
  explicit SequenceDecoder(std::vector<std::unique_ptr<TokenDecoder>> parts)
      : parts_(std::move(parts)) {}
  Tokens decode(Tokens tokens) const override {
    for (const auto& part : parts_) {
      tokens = part->decode(std::move(tokens));
    }
    return tokens;
  }

 private:
  std::vector<std::unique_ptr<TokenDecoder>> parts_;
};

std::unique_ptr<TokenDecoder> read_decoders(Reader& reader) {
  std::vector<Json> list;
  reader.require("decoders", list);
  std::vector<std::unique_ptr<TokenDecoder>> parts;
  for (size_t i = 0; i < list.size(); ++i) {
    parts.push_back(read_decoder(list[i], fmt::format("{}.decoders[{}]", reader.where(), i)));
  }
  return std::make_unique<SequenceDecoder>(std::move(parts));
}

std::unique_ptr<TokenDecoder> read_strip(Reader& reader) {
  std::string content;
  size_t start = 0;
  size_t stop = 0;
  reader.require("content", content);
  reader.require("start", start);
  reader.require("stop", stop);
  check<ModelError>(!content.empty() && content.size() == utf8_length(content[0]),
                    "{}: content: expected one character, found \"{}\"", reader.where(),
                    escaped(content));
  return std::make_unique<StripDecoder>(content, start, stop);
}

std::unique_ptr<TokenDecoder> read_typed_decoder(const std::string& type, Reader& reader) {
  if (type == "Sequence") {
    return read_decoders(reader);
  }
  if (type == "ByteLevel") {
    reader.ignore({"add_prefix_space", "trim_offsets", "use_regex"});
    return std::make_unique<ByteLevelDecoder>();
  }
  if (type == "ByteFallback") {
    return std::make_unique<ByteFallbackDecoder>();
  }
  if (type == "Fuse") {
    return std::make_unique<FuseDecoder>();
  }
  if (type == "WordPiece") {
    return read_word_piece_decoder(reader);
  }
  if (type == "BPEDecoder") {
    return read_bpe_decoder(reader);
  }
  if (type == "Strip") {
    return read_strip(reader);
  }
  if (type == "Replace") {
    Json pattern;
    std::string content;
    reader.require("pattern", pattern);
    reader.require("content", content);
    return std::make_unique<ReplaceDecoder>(
        SplitPattern::read(pattern, reader.where() + ".pattern"), content);
  }
  if (type == "Metaspace") {
    const PrependScheme scheme = read_prepend_scheme(reader);
    reader.ignore({"split"});
    return std::make_unique<MetaspaceDecoder>(read_replacement(reader),
                                              scheme != PrependScheme::kNever);
  }
  fail<ModelError>("{}: the decoder \"{}\" is not supported", reader.where(), type);
}

/// How many bytes at `at` begin like a character; sets `whole` if they are one.
size_t longest_beginning(std::string_view bytes, size_t at, bool& whole) {
  const size_t length = std::min(utf8_length(bytes[at]), bytes.size() - at);
  for (size_t size = length; size > 0; --size) {
    if (is_utf8(bytes.substr(at, size))) {
      whole = true;
      return size;
    }
  }
  whole = false;
  // A beginning is good if some continuation completes it.
  for (size_t size = length; size > 1; --size) {
    for (const std::string_view rest : {"", "\x80", "\xBF", "\x80\x80", "\xBF\xBF"}) {
      if (is_utf8(std::string(bytes.substr(at, size)).append(rest))) {
        return size;
      }
    }
  }
  return 1;
}

}  // namespace

std::string utf8_lossy(std::string bytes) {
  if (is_utf8(bytes)) {
    return bytes;
  }
  std::string text;
  for (size_t at = 0; at < bytes.size();) {
    bool whole = false;
    const size_t size = longest_beginning(bytes, at, whole);
    text.append(whole ? std::string_view(bytes).substr(at, size) : kReplacementCharacter);
    at += size;
  }
  return text;
}

std::unique_ptr<TokenDecoder> read_decoder(const Json& json, const std::string& where) {
  Reader reader(json, where);
  std::string type;
  reader.require("type", type);
  std::unique_ptr<TokenDecoder> decoder = read_typed_decoder(type, reader);
  reader.finish();
  return decoder;
}

}  // namespace peft
