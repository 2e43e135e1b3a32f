#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "peft/data/dataset.h"

namespace peft {

/// Rows to which something happened: how many, and where the first of them are.
class RowPlaces {
 public:
  void add(const std::string& file, int64_t line);
  int64_t count() const { return count_; }
  /// "a.jsonl:3, 9, b.jsonl:1 and 12 more".
  std::string text() const;

 private:
  int64_t count_ = 0;
  std::string file_;  // of the last place shown
  std::string shown_;
};

/// What a data set's rows went through, beside the numbers of its report.
struct DataTally {
  RowPlaces bad;             ///< passed over, as they break their shape
  RowPlaces unscored;        ///< nothing to learn from them
  RowPlaces unstopped;       ///< chat: the last answer ends in no stop token
  RowPlaces by_offsets;      ///< borders found by characters
  RowPlaces per_turn;        ///< one example per answer
  RowPlaces duplicates;      ///< equal to an earlier example
  RowPlaces contradicting;   ///< equal to an earlier example but for its label
  RowPlaces weighted;        ///< tokens that count less or more than others
  RowPlaces special;         ///< special-token spellings in their own text
  RowPlaces tools_ignored;   ///< tools that the template does not read
  RowPlaces calls_ignored;   ///< calls of tools that the template does not write
  RowPlaces other_labels;    ///< rows of ids whose labels are other tokens
  RowPlaces glued;           ///< pairs without white space between the halves
  RowPlaces extra_bos;       ///< text that brought its own BOS
  RowPlaces without_bos;     ///< chat: the tokenizer adds a BOS to text, the template writes none
  RowPlaces cut;             ///< truncated
  RowPlaces too_long;        ///< dropped
  RowPlaces split;           ///< text in pieces
  int64_t unscored_cut = 0;  ///< of `unscored`, those that were cut
  int64_t all_tokens = 0;    ///< before data.overflow
  int64_t lost_tokens = 0;   ///< to data.overflow
  int64_t chat_examples = 0;
  int64_t weight_keys = 0;    ///< rows with a message that says what it counts
  int64_t train_details = 0;  ///< rows with a message that is divided by characters
};

/// Why a data set would teach nothing, or no end: more than 1 % of rows without a scored token,
/// none at all, or fewer than 95 % of answers that end in a stop token. "" for a good one.
std::string refusal(const DataTally& tally, const DataReport& report, const DataOptions& options,
                    const std::string& files);

/// Writes the tally's counts and one note for each thing that happened into the report.
void describe_tally(const DataTally& tally, const DataOptions& options, DataReport& report);

}  // namespace peft
