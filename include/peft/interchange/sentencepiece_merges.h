#pragma once

#include <string>
#include <vector>

#include "peft/interchange/gguf_vocabulary.h"

namespace peft {

/// The merges ("left right", first applied first) that make BPE cut text as sentencepiece does.
/// Sentencepiece joins the pair whose result has the best score; as a ranked list that is every cut
/// of every piece into two, the best result first.
std::vector<std::string> merges_from_scores(const GgufVocabulary& vocabulary);

}  // namespace peft
