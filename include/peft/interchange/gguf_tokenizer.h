#pragma once

#include <cstdint>
#include <string>

#include "peft/interchange/gguf_vocabulary.h"
#include "peft/util/json.h"

namespace peft {

/// tokenizer.json of a GGUF vocabulary: byte-level BPE with the splits that its `pre` names, or
/// sentencepiece BPE with merges rebuilt from the scores. Throws ModelError for an unknown `pre`;
/// `where` names the file in it.
Json tokenizer_json(const GgufVocabulary& vocabulary, const std::string& where);

/// tokenizer_config.json, with the chat template.
Json tokenizer_config(const GgufVocabulary& vocabulary, int64_t positions);

/// generation_config.json: the special ids; the ends of a turn and of the text are both ends.
Json generation_config(const GgufVocabulary& vocabulary);

}  // namespace peft
