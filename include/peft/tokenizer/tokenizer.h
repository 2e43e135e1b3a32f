#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace peft {

/// Ids of a text and, for each, the half-open span of Unicode code points it came from. Tokens that
/// a template added (BOS) have an empty span.
struct Encoding {
  std::vector<int32_t> ids;
  std::vector<std::pair<int64_t, int64_t>> offsets;
};

/// What stands around two texts that are one sequence: "[CLS] A [SEP] B [SEP]".
struct PairFrame {
  std::vector<int32_t> before, between, behind;
  /// Of `between`, the first of token type 1, which lasts to the end; absent where all are of type
  /// 0.
  std::optional<size_t> second_type;
};

/// Ids that the folder's files give a meaning; absent when the files name none.
struct SpecialTokens {
  std::optional<int32_t> bos, eos, unk, pad;
  std::string bos_text, eos_text, unk_text, pad_text;  ///< empty when absent
};

/// A half-open range of a text's bytes.
struct TextSpan {
  size_t begin = 0;
  size_t end = 0;
};

/// Text to ids and back, equal to the Hugging Face tokenizer of the same folder.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  /// `add_special_tokens` runs the post-processor (BOS, EOS); special-token strings inside the text
  /// become their ids either way, but for those that lie within one of the spans `plain`, which are
  /// text like any other. Throws DataError for text that is not UTF-8.
  virtual Encoding encode(std::string_view text, bool add_special_tokens,
                          std::span<const TextSpan> plain) const = 0;
  Encoding encode(std::string_view text, bool add_special_tokens) const {
    return encode(text, add_special_tokens, {});
  }

  /// How `encode(a, false)` and `encode(b, false)` are put together.
  virtual PairFrame pair_frame() const { return {}; }

  /// The text of the ids; bytes that form no character become U+FFFD, as in Hugging Face's decode
  /// with clean_up_tokenization_spaces off.
  virtual std::string decode(std::span<const int32_t> ids, bool skip_special_tokens) const = 0;

  /// The vocabulary's spelling of an id ("Ġthe", "▁the", "<0x0A>"). Throws DataError outside it.
  virtual std::string token(int32_t id) const = 0;
  virtual std::optional<int32_t> id(std::string_view token) const = 0;

  /// One more than the largest id.
  virtual int64_t vocabulary_size() const = 0;

  /// True for added tokens marked special, which skip_special_tokens removes.
  virtual bool is_special(int32_t id) const = 0;

  /// False where there are no tokenizer files: then every question about text is a ModelError.
  virtual bool reads_text() const { return true; }

  const SpecialTokens& special() const { return special_; }

 protected:
  SpecialTokens special_;
};

/// Reads tokenizer.json, or else a sentencepiece model (tokenizer.model, spiece.model), vocab.json
/// with merges.txt, or vocab.txt; with tokenizer_config.json and special_tokens_map.json beside it.
/// Throws ModelError when the folder has none of them or a file breaks a rule.
std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& model_directory);

/// The same, but a folder without gets a tokenizer that reads no text: data of ids needs none.
std::unique_ptr<Tokenizer> load_tokenizer_if_any(const std::filesystem::path& model_directory);

/// SHA-256 of the files that the folder's tokenizer is made of, as far as they are there.
std::string tokenizer_hash(const std::filesystem::path& model_directory);

}  // namespace peft
