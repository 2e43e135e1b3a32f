#include "peft/io/hf_directory.h"
#include "peft/tokenizer/tokenizer.h"
#include "peft/util/error.h"
#include "sentencepiece_tokenizer.h"
#include "special_tokens.h"
#include "tokenizer_json.h"
#include "vocabulary_files.h"

namespace peft {
namespace {

constexpr const char* kExpected =
    "tokenizer.json, tokenizer.model, spiece.model, vocab.json with merges.txt, or vocab.txt";

/// Stands in where the folder has no tokenizer: every question is answered with that.
class MissingTokenizer final : public Tokenizer {
 public:
  explicit MissingTokenizer(std::string folder) : folder_(std::move(folder)) {}

  Encoding encode(std::string_view, bool, std::span<const TextSpan>) const override { refuse(); }
  std::string decode(std::span<const int32_t>, bool) const override { refuse(); }
  std::string token(int32_t) const override { refuse(); }
  std::optional<int32_t> id(std::string_view) const override { return std::nullopt; }
  int64_t vocabulary_size() const override { refuse(); }
  bool is_special(int32_t) const override { return false; }
  bool reads_text() const override { return false; }

 private:
  [[noreturn]] void refuse() const {
    fail<ModelError>(
        "{}: no tokenizer (expected {}); only data of the format \"tokens\" can be used", folder_,
        kExpected);
  }
  std::string folder_;
};

/// The tokenizer of the first files in this order that the folder has, or null.
std::unique_ptr<Tokenizer> load_what_is_there(const std::filesystem::path& folder) {
  const TokenizerConfig config = read_tokenizer_config(folder);
  if (const auto file = model_file(folder, "tokenizer.json")) {
    return load_tokenizer_json(*file, config);
  }
  for (const char* const name : {"tokenizer.model", "spiece.model"}) {
    if (const auto file = model_file(folder, name)) {
      return load_tokenizer_model(*file, config);
    }
  }
  const auto vocabulary = model_file(folder, "vocab.json");
  const auto merges = model_file(folder, "merges.txt");
  if (vocabulary && merges) {
    return load_byte_pairs(*vocabulary, *merges, config);
  }
  if (const auto file = model_file(folder, "vocab.txt")) {
    return load_word_pieces(*file, config);
  }
  return nullptr;
}

}  // namespace

std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& model_directory) {
  std::unique_ptr<Tokenizer> tokenizer = load_what_is_there(model_directory);
  check<ModelError>(tokenizer != nullptr, "{}: no tokenizer; expected {}", model_directory.string(),
                    kExpected);
  return tokenizer;
}

std::unique_ptr<Tokenizer> load_tokenizer_if_any(const std::filesystem::path& model_directory) {
  std::unique_ptr<Tokenizer> tokenizer = load_what_is_there(model_directory);
  return tokenizer != nullptr ? std::move(tokenizer)
                              : std::make_unique<MissingTokenizer>(model_directory.string());
}

}  // namespace peft
