#pragma once

#include <optional>
#include <string>
#include <vector>

#include "peft/data/conversation.h"

namespace peft {

/// What a message, or a part of its content, says that it counts: the product of those of
/// `mapping.weight_keys` that it has; nothing without any. true and null are 1, false 0. Throws
/// DataError with `place` for what is neither that nor a number from 0 to 1,000.
std::optional<float> weight_of(const Json& object, const RowMapping& mapping,
                               const std::string& place);

/// axolotl's `train_detail`: [{"begin_offset", "end_offset", "train"}, ...] of a content of
/// `length` code points, counted from 0; `end_offset` is the last one of its part. What no entry
/// names is masked. Throws DataError with `place` for entries that overlap, are out of order, or
/// leave the content.
std::vector<WeightedSpan> read_train_detail(const Json& list, int64_t length,
                                            const std::string& place);

}  // namespace peft
