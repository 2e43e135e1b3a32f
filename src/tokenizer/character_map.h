#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "normalizer.h"

namespace peft {

/// Sentencepiece's compiled normaliser: a double-array trie of texts and, behind it, what each
/// becomes.
class CharacterMap {
 public:
  /// Follows every path that some text could take. Throws ModelError with `where` when one leads
  /// outside the trie or to what is not UTF-8.
  CharacterMap(std::string map, const std::string& where);

  /// What the shortest beginning of `text` in the map becomes; nothing when none is.
  std::optional<std::string_view> find(std::string_view text) const;

 private:
  std::string map_;
  size_t texts_;  // where the results begin
};

/// Checks a map that may be empty. Throws ModelError with `where`.
void check_character_map(std::string_view map, const std::string& where);

/// Bytes in base64, as tokenizer.json holds them.
std::string base64(std::string_view bytes);

/// The "Precompiled" normaliser of a map in base64; an empty one changes nothing.
std::unique_ptr<Normalizer> precompiled_normalizer(std::string_view base64,
                                                   const std::string& where);

}  // namespace peft
