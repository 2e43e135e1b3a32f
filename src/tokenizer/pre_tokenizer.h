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

  /// True if the words are to be spelled in the byte-level alphabet.
  virtual bool byte_level() const { return false; }
};

/// Reads a pre-tokenizer of any known type. Throws ModelError that names an unknown one.
std::unique_ptr<PreTokenizer> read_pre_tokenizer(const Json& json, const std::string& where);

/// Where a Metaspace marks the beginning of a text: everywhere, at the beginning of the whole text,
/// nowhere. Reads "prepend_scheme" and its older spelling "add_prefix_space".
enum class PrependScheme { kAlways, kFirst, kNever };
PrependScheme read_prepend_scheme(JsonReader<ModelError>& reader);

/// "replacement" of a Metaspace: one character.
std::string read_replacement(JsonReader<ModelError>& reader);

}  // namespace peft
