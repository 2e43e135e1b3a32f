#pragma once

#include <string>

#include "peft/data/prompt_format.h"

namespace peft {

TextFrames text_frames(const Tokenizer& tokenizer);

/// A row of ids with its label; with token_type_ids the second text begins at the first 1. Throws
/// DataError.
FormattedSource labelled_tokens(std::vector<int32_t> ids, const Json& row,
                                const RowMapping& mapping, const DataOptions& options,
                                const std::string& where);

/// A classification row: one text or two in their frame, and the label. With data.overflow
/// "truncate" a row that is too long is cut as the tokenizers library does it: special tokens stay,
/// and of two texts the longer gives first. Throws DataError.
FormattedSource labelled_row(const Json& row, const RowMapping& mapping, const DataOptions& options,
                             const Tokenizer& tokenizer, const TextFrames& frames,
                             const std::string& where);

}  // namespace peft
