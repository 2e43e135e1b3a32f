#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "peft/data/dataset.h"

namespace peft {

/// Every token that ends an answer: the pipeline's stop ids, and the special token that ends an
/// assistant's turn in the chat template, whatever the model's files say of it.
std::vector<int32_t> stop_set(const TextPipeline& pipeline);

/// Place of the stop token that ends the last turn of `ids`, which begins at `from`: the first one
/// behind the last token that is neither a stop token nor white space.
std::optional<size_t> find_turn_end(const std::vector<int32_t>& ids, size_t from,
                                    const Tokenizer& tokenizer,
                                    const std::vector<int32_t>& stop_ids);

}  // namespace peft
