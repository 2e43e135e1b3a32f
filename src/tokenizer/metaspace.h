#pragma once

#include <memory>
#include <string>

#include "pre_tokenizer.h"

namespace peft {

/// Where a Metaspace marks the beginning of a text: everywhere, at the beginning of the whole text,
/// nowhere. Reads "prepend_scheme" and its older spelling "add_prefix_space".
enum class PrependScheme { kAlways, kFirst, kNever };
PrependScheme read_prepend_scheme(JsonReader<ModelError>& reader);

/// "replacement" of a Metaspace: one character.
std::string read_replacement(JsonReader<ModelError>& reader);

/// "Metaspace": writes spaces as a visible character and cuts before each.
std::unique_ptr<PreTokenizer> read_metaspace(JsonReader<ModelError>& reader);

}  // namespace peft
