#include <fmt/format.h>

#include "peft/io/hf_directory.h"
#include "peft/tokenizer/tokenizer.h"
#include "peft/util/sha256.h"

namespace peft {

std::string tokenizer_hash(const std::filesystem::path& folder) {
  std::string all;
  for (const char* name :
       {"tokenizer.json", "tokenizer.model", "tokenizer_config.json", "special_tokens_map.json",
        "added_tokens.json", "vocab.json", "merges.txt", "spiece.model", "vocab.txt"}) {
    if (const auto file = model_file(folder, name)) {
      all += fmt::format("{} {}\n", name, sha256_of_file(*file));
    }
  }
  return sha256(all);
}

}  // namespace peft
