#include "peft/io/hf_directory.h"
#include "peft/tokenizer/tokenizer.h"
#include "peft/util/error.h"
#include "sentencepiece_tokenizer.h"
#include "special_tokens.h"
#include "tokenizer_json.h"

namespace peft {
namespace {

/// Stands in where the folder has no tokenizer: every question is answered with that.
class MissingTokenizer final : public Tokenizer {
 public:
  explicit MissingTokenizer(std::string folder) : folder_(std::move(folder)) {}

  Encoding encode(std::string_view, bool) const override { refuse(); }
  std::string decode(std::span<const int32_t>, bool) const override { refuse(); }
  std::string token(int32_t) const override { refuse(); }
  std::optional<int32_t> id(std::string_view) const override { return std::nullopt; }
  int64_t vocabulary_size() const override { refuse(); }
  bool is_special(int32_t) const override { return false; }
  bool reads_text() const override { return false; }

 private:
  [[noreturn]] void refuse() const {
    fail<ModelError>(
        "{}: no tokenizer.json and no tokenizer.model; only data of the format "
        "\"tokens\" can be used",
        folder_);
  }
  std::string folder_;
};

}  // namespace

std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& model_directory) {
  const TokenizerConfig config = read_tokenizer_config(model_directory);
  if (const auto file = model_file(model_directory, "tokenizer.json")) {
    return load_tokenizer_json(*file, config);
  }
  if (const auto file = model_file(model_directory, "tokenizer.model")) {
    return load_tokenizer_model(*file, config);
  }
  fail<ModelError>("{}: expected tokenizer.json or tokenizer.model, found neither",
                   model_directory.string());
}

std::unique_ptr<Tokenizer> load_tokenizer_if_any(const std::filesystem::path& model_directory) {
  const bool has_files = model_file(model_directory, "tokenizer.json").has_value() ||
                         model_file(model_directory, "tokenizer.model").has_value();
  return has_files ? load_tokenizer(model_directory)
                   : std::make_unique<MissingTokenizer>(model_directory.string());
}

}  // namespace peft
