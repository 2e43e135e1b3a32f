#pragma once

#include <memory>
#include <string>
#include <vector>

#include "aligned_text.h"
#include "peft/util/json.h"

namespace peft {

/// Cuts a text into the words that the model sees one by one: the "pre_tokenizer" of
/// tokenizer.json.
class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;

  /// Refines `words`, ascending ranges of `text`; may change the text.
  virtual void split(AlignedText& text, std::vector<ByteRange>& words) const = 0;

  /// True if the model is to spell the words in the byte-level alphabet.
  virtual bool byte_level() const { return false; }

  /// Asks for words that are spelled in the alphabet already, because others cut them further.
  virtual void spell_bytes_here() {}
};

/// Reads a pre-tokenizer of any known type. Throws ModelError that names an unknown one.
std::unique_ptr<PreTokenizer> read_pre_tokenizer(const Json& json, const std::string& where);

/// Puts `prefix` in front of every word that `wants` it, shifting what follows.
template <class Wants>
void prepend(AlignedText& text, std::vector<ByteRange>& words, std::string_view prefix,
             const Wants& wants) {
  std::vector<size_t> places;
  for (ByteRange& word : words) {
    const size_t shift = places.size() * prefix.size();
    const bool wanted = word.size() > 0 && wants(word);
    if (wanted) {
      places.push_back(word.begin);
    }
    word = {word.begin + shift, word.end + shift + (wanted ? prefix.size() : 0)};
  }
  text.insert_before(places, prefix);
}

}  // namespace peft
