#include "word_decoders.h"

#include <array>
#include <utility>

#include "peft/util/error.h"

namespace peft {
namespace {

using Tokens = std::vector<std::string>;

std::string replace_all(const std::string& text, std::string_view old, std::string_view with) {
  std::string result;
  size_t last = 0;
  for (size_t at = text.find(old); at != std::string::npos; at = text.find(old, last)) {
    result.append(text, last, at - last).append(with);
    last = at + old.size();
  }
  return result.append(text, last);
}

std::string without_artefacts(std::string token) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 11> kArtefacts = {
      {{" .", "."},
       {" ?", "?"},
       {" !", "!"},
       {" ,", ","},
       {" ' ", "'"},
       {" n't", "n't"},
       {" 'm", "'m"},
       {" do not", " don't"},
       {" 's", "'s"},
       {" 've", "'ve"},
       {" 're", "'re"}}};
  for (const auto& [old, with] : kArtefacts) {
    token = replace_all(token, old, with);
  }
  return token;
}

class WordPieceDecoder final : public TokenDecoder {
 public:
  WordPieceDecoder(std::string prefix, bool cleans) : prefix_(std::move(prefix)), cleans_(cleans) {}

  Tokens decode(Tokens tokens) const override {
    for (size_t i = 0; i < tokens.size(); ++i) {
      if (i > 0 && tokens[i].starts_with(prefix_)) {
        tokens[i].erase(0, prefix_.size());
      } else if (i > 0) {
        tokens[i].insert(0, " ");
      }
      if (cleans_) {
        tokens[i] = without_artefacts(std::move(tokens[i]));
      }
    }
    return tokens;
  }

 private:
  std::string prefix_;
  bool cleans_;
};

class BpeDecoder final : public TokenDecoder {
 public:
  explicit BpeDecoder(std::string suffix) : suffix_(std::move(suffix)) {}

  Tokens decode(Tokens tokens) const override {
    for (size_t i = 0; i < tokens.size(); ++i) {
      tokens[i] = replace_all(tokens[i], suffix_, i + 1 < tokens.size() ? " " : "");
    }
    return tokens;
  }

 private:
  std::string suffix_;
};

}  // namespace

std::unique_ptr<TokenDecoder> read_word_piece_decoder(JsonReader<ModelError>& reader) {
  std::string prefix = "##";
  bool cleans = true;
  reader.read("prefix", prefix);
  reader.read("cleanup", cleans);
  return std::make_unique<WordPieceDecoder>(prefix, cleans);
}

std::unique_ptr<TokenDecoder> read_bpe_decoder(JsonReader<ModelError>& reader) {
  std::string suffix = "</w>";
  reader.read("suffix", suffix);
  check<ModelError>(!suffix.empty(), "{}: suffix: expected a text, found none", reader.where());
  return std::make_unique<BpeDecoder>(suffix);
}

}  // namespace peft
