#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "peft/data/conversation.h"

namespace peft {

/// One sequence with its labels.
struct FormattedRow {
  std::vector<int32_t> ids;
  std::vector<int32_t> labels;
  int64_t stop =
      -1;  ///< place of the stop token that ends the last trained span; -1: there is none
  std::vector<float> weights = {};  ///< Example::weights
  int64_t answer_begin = -1;        ///< of the last trained answer; -1: the labels tell it
  int64_t answer_end = -1;
};

/// Masks what counts nothing. A row whose tokens all count 1 has no weights then.
void settle_weights(FormattedRow& row);

/// How the borders of the answers were found.
enum class Border {
  kIds,      ///< the ids of the prompt are a prefix of the ids of the conversation
  kOffsets,  ///< only its text is: tokens merge over the border
  kPerTurn   ///< not even that: one example per answer, each rendered as at inference
};

/// A conversation as examples.
struct MaskedConversation {
  std::vector<FormattedRow> rows;  ///< one, unless the border is kPerTurn
  Border border = Border::kIds;
};

/// Renders a conversation once, tokenises it once without special tokens, and labels what
/// `options.train_on` asks for. For an assistant turn that is everything from the end of the prompt
/// (the turns before it, with the generation prompt) through its stop token; prefixes only locate
/// it. Messages and parts of them that count less or more have their weights; a token that lies
/// over the border of two parts belongs to that in which it ends. `stop_ids` are those of
/// `stop_set`. Throws DataError with `where` when the template refuses the row or the answer cannot
/// be told from its prompt.
MaskedConversation mask_conversation(const Conversation& conversation, const DataOptions& options,
                                     const TextPipeline& pipeline,
                                     const std::vector<int32_t>& stop_ids,
                                     const std::string& where);

/// Labels every token but a BOS in front.
std::vector<int32_t> all_labels(const std::vector<int32_t>& ids, const Tokenizer& tokenizer);

}  // namespace peft
