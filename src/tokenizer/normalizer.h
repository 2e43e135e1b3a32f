#pragma once

#include <memory>
#include <string>

#include "aligned_text.h"
#include "peft/util/json.h"

namespace peft {

/// Changes a text before it is split: the "normalizer" of tokenizer.json.
class Normalizer {
 public:
  virtual ~Normalizer() = default;
  virtual void normalize(AlignedText& text) const = 0;
};

/// Reads a normaliser of any known type. Throws ModelError that names an unknown one.
std::unique_ptr<Normalizer> read_normalizer(const Json& json, const std::string& where);

/// Unicode's four normalisation forms.
enum class UnicodeForm { kNfc, kNfd, kNfkc, kNfkd };
void normalize_unicode(AlignedText& text, UnicodeForm form);

/// Lower case of every character, by Unicode's full mapping.
void lowercase(AlignedText& text);

}  // namespace peft
