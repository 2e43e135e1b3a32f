#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "peft/data/dataset.h"

namespace peft {

/// What a row is, before a tokenizer sees it.
enum class RowShape { kTokens, kSegments, kChat, kInstruct, kPair, kClassification, kText };

/// tokens, segments, chat, instruct, pair, classification, text.
std::string_view shape_name(RowShape shape);

/// Where a file keeps what we need. Found once, from its first row, and held for the whole file.
struct RowMapping {
  /// How the columns are laid out. A chat may also be asked of instruct and pair columns.
  enum class Layout {
    kTokens,
    kSegments,
    kMessages,
    kHumanAssistant,
    kInstruct,
    kMessagePair,
    kPair,
    kClassification,
    kText
  };

  RowShape shape = RowShape::kText;
  Layout layout = Layout::kText;
  std::map<std::string, std::string> columns;  ///< our name -> the file's name
  std::string role_key = "role";
  std::string content_key = "content";
  /// Of a message and of parts of its content: what they count. All that are there are multiplied.
  std::vector<std::string> weight_keys = {"weight", "train", "loss", "loss_weight", "loss_scale"};
  std::string train_detail_key = "train_detail";
  std::map<std::string, std::string> roles;  ///< the file's word -> ours
  std::string decision;                      ///< one sentence for the user

  /// A row's column by our name; null when the row or the file has none.
  const Json& column(const Json& row, const std::string& name) const;
};

/// A row's value by the file's name, which may lead into it: "data.turns", "answers.text.0". A key
/// that is spelled with the dots wins. Null when there is none.
const Json* find_column(const Json& row, const std::string& name);

/// Reads the shape off the first row, or takes the one that `options.format` asks for. `where` is
/// file:line. Throws DataError when no shape fits or two do, UsageError for `data.columns` and
/// `data.format` that make no sense.
RowMapping detect_mapping(const Json& first_row, const DataOptions& options,
                          const std::string& where);

/// A column that must be a string. Throws DataError with `where` (file:line) and the column's name.
std::string text_column(const Json& row, const RowMapping& mapping, const std::string& name,
                        const std::string& where);

}  // namespace peft
