#pragma once

#include <string>
#include <vector>

#include "peft/data/chat_mask.h"
#include "peft/data/rows.h"

namespace peft {

/// A row's examples before `data.overflow`, and what was remarkable on the way.
struct FormattedSource {
  std::vector<FormattedRow> rows;
  Border border = Border::kIds;
  bool special_in_text = false;   ///< the row's own text holds the spelling of a special token
  bool calls_ignored = false;     ///< messages have tool_calls, the template does not write them
  bool other_labels = false;      ///< a label of a row of ids is another token than its id
  bool tools_ignored = false;     ///< the row has tools, the template does not read them
  bool glued = false;             ///< no white space between prompt and completion
  bool extra_bos = false;         ///< text brought the BOS that the tokenizer adds; one was kept
  bool without_bos = false;       ///< the tokenizer adds a BOS to text, the template writes none
  bool has_weight = false;        ///< a message says what it counts
  bool has_train_detail = false;  ///< a message is divided by characters
  size_t taken_away = 0;          ///< tokens that data.overflow has taken already
  int64_t second_type = 0;        ///< Example::second_type
  std::string label = {};         ///< classification: the label's name
  float score = 0.0F;             ///< regression
};

/// What a tokenizer puts around one text, and around two.
struct TextFrames {
  PairFrame one, two;
};

/// Turns rows into ids and labels.
class PromptFormat {
 public:
  /// Borrows both. Throws UsageError for an unknown `train_on`.
  PromptFormat(const DataOptions& options, const TextPipeline& pipeline);

  /// `where` is file:line. Throws DataError.
  FormattedSource format(const Json& row, const RowMapping& mapping,
                         const std::string& where) const;

  const std::vector<int32_t>& stop_ids() const { return stop_ids_; }

 private:
  FormattedSource format_tokens(const Json& row, const RowMapping& mapping,
                                const std::string& where) const;
  FormattedSource format_chat(const Conversation& conversation, const std::string& where) const;
  FormattedSource format_pair(const PromptCompletion& pair, const std::string& where) const;
  FormattedSource format_text(const std::string& text, const std::string& where) const;
  FormattedSource format_segments(const Json& list, const std::string& where) const;
  FormattedSource format_classification(const Json& row, const RowMapping& mapping,
                                        const std::string& where) const;
  std::vector<int32_t> id_column(const Json& row, const RowMapping& mapping,
                                 const std::string& name, const std::string& where) const;
  Encoding encode_text(const std::string& text, const std::string& where, bool* extra_bos) const;
  void append_eos(FormattedRow& row) const;
  bool starts_with_bos(const std::vector<int32_t>& ids) const;
  bool holds_special(const std::string& text) const;

  const DataOptions& options_;
  const TextPipeline& pipeline_;
  std::vector<int32_t> stop_ids_;
  TextFrames frames_;  // of classification rows
  std::vector<std::string> special_texts_;
  std::string special_starts_;  // their first bytes
  bool knows_tools_ = false;
  bool reads_tools_ = false;
  bool adds_bos_ = false;
};

}  // namespace peft
