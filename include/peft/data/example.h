#pragma once

#include <cstdint>

#include "peft/data/tokens.h"

namespace peft {

/// Label of a token that is not scored.
inline constexpr int32_t kIgnored = -100;

/// One sequence: ids, and at the same positions labels (the id itself where it is trained, kIgnored
/// elsewhere). The shift by one happens in the loss and nowhere else, so labels[0] is never scored.
struct Example {
  Tokens ids;
  Tokens labels;
  int64_t row = 0;   ///< place in the data set, from 0, stable across shuffling
  int64_t line = 0;  ///< line or element number in its file, from 1
  int64_t prompt_length =
      0;                   ///< tokens before the last trained answer: what `generate` starts from
  int64_t answer_end = 0;  ///< tokens through that answer, also where parts of it are masked
  int32_t file = 0;        ///< which of the data set's files
  /// Classification: place in Dataset::label_names, -1 in all other rows, whose `labels` are per
  /// token; classification rows have none of those.
  int32_t label = -1;
  int64_t second_type = 0;  ///< first token of type 1 of two texts; 0: all are of type 0
  float score = 0.0F;       ///< regression: the number to predict
  Weights weights = {};     ///< what each scored token's loss counts in training; empty: 1
};

}  // namespace peft
