#include "peft/io/hf_directory.h"
#include "peft/tokenizer/tokenizer.h"
#include "peft/util/error.h"
#include "sentencepiece_tokenizer.h"
#include "special_tokens.h"
#include "tokenizer_json.h"

namespace peft {

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

}  // namespace peft
