#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "peft/data/dataset.h"

namespace peft {

/// What a row is, before a tokenizer sees it.
enum class RowShape { kTokens, kChat, kInstruct, kPair, kText };

/// tokens, chat, instruct, pair, text.
std::string_view shape_name(RowShape shape);

/// Where a file keeps what we need. Found once, from its first row, and held for the whole file.
struct RowMapping {
  /// How the columns are laid out. A chat may also be asked of instruct and pair columns.
  enum class Layout { kTokens, kMessages, kHumanAssistant, kInstruct, kMessagePair, kPair, kText };

  RowShape shape = RowShape::kText;
  Layout layout = Layout::kText;
  std::map<std::string, std::string> columns;  ///< our name -> the file's name
  std::string role_key = "role";
  std::string content_key = "content";
  std::map<std::string, std::string> roles;  ///< the file's word -> ours
  std::string decision;                      ///< one sentence for the user

  /// A row's column by our name; null when the row or the file has none.
  const Json& column(const Json& row, const std::string& name) const;
};

/// Reads the shape off the first row, or takes the one that `options.format` asks for. `where` is
/// file:line. Throws DataError when no shape fits or two do, UsageError for `data.columns` and
/// `data.format` that make no sense.
RowMapping detect_mapping(const Json& first_row, const DataOptions& options,
                          const std::string& where);

/// A column that must be a string. Throws DataError with `where` (file:line) and the column's name.
std::string text_column(const Json& row, const RowMapping& mapping, const std::string& name,
                        const std::string& where);

}  // namespace peft
