#pragma once

#include <memory>

#include "normalizer.h"

namespace peft {

/// BERT's cleaning of a text, in this order: control characters go and white space becomes spaces;
/// spaces around ideographs; accents go; lower case.
std::unique_ptr<Normalizer> read_bert_normalizer(JsonReader<ModelError>& reader);

/// "StripAccents": drops combining marks, which a decomposition before it has set free.
std::unique_ptr<Normalizer> strip_accents_normalizer();

/// "Nmt": sentencepiece's cleaning: some control characters go, all sorts of space become one.
std::unique_ptr<Normalizer> nmt_normalizer();

}  // namespace peft
