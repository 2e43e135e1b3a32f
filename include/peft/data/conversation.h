#pragma once

#include <string>
#include <vector>

#include "peft/data/row_mapping.h"

namespace peft {

/// Characters [begin, end) of a text and what they count in the loss.
struct WeightedSpan {
  int64_t begin = 0;
  int64_t end = 0;
  float weight = 1.0F;
};

/// What a message counts in the loss; 0: it is masked.
struct MessageWeight {
  float whole = 1.0F;
  /// Of its content, one behind the other and without gaps; each counts times `whole`. Empty: the
  /// content is not divided.
  std::vector<WeightedSpan> spans = {};

  bool is_plain() const { return whole == 1.0F && spans.empty(); }
};

/// A conversation as a chat template sees it.
struct Conversation {
  Json messages = Json::array();       ///< {"role", "content", ...}; roles are our four
  Json tools;                          ///< a list, or null
  std::vector<MessageWeight> weights;  ///< by message
  size_t prompt_messages = 0;          ///< the first so many are a prompt and masked
  bool has_weight = false;             ///< a message has one of RowMapping::weight_keys
  bool has_train_detail = false;       ///< a message has RowMapping::train_detail_key
};

/// A prompt with its completion, as text.
struct PromptCompletion {
  std::string prompt, completion;
};

/// A row whose mapping says chat. `knows_tools`: the template reads `tool_calls`, so that a
/// ShareGPT function call becomes one; otherwise it stays the assistant's text. Throws DataError
/// with `where` (file:line) and the message's place.
Conversation read_conversation(const Json& row, const RowMapping& mapping, bool knows_tools,
                               const std::string& where);

/// An instruct row as a conversation: system, earlier turns, the instruction with its input.
Conversation instruct_conversation(const Json& row, const RowMapping& mapping,
                                   const std::string& where);

/// An instruct row as text under headings, for a model without a chat template.
PromptCompletion instruct_text(const Json& row, const RowMapping& mapping,
                               const std::string& where);

}  // namespace peft
