#include "peft/data/row_mapping.h"

#include <algorithm>
#include <optional>

#include "peft/data/column_options.h"
#include "peft/util/text.h"
#include "shape_detector.h"

namespace peft {
namespace {

std::string quoted_keys(const Json& row) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : row.items()) {
    keys.push_back(fmt::format("\"{}\"", escaped(key)));
    if (keys.size() == 12) {
      keys.emplace_back("...");
      break;
    }
  }
  return keys.empty() ? "none" : join(keys, ", ");
}

/// The spelling we know of one of the row's keys, when only the letter case differs or a letter is
/// off.
std::string nearest_known(const Json& row) {
  std::vector<std::string> known = column_names();
  known.insert(known.end(),
               {"conversations", "query", "question", "problem", "response", "answer", "target"});
  for (const auto& [key, value] : row.items()) {
    const bool is_known = std::find(known.begin(), known.end(), key) != known.end();
    if (const std::string hint = did_you_mean(key, known); !is_known && !hint.empty()) {
      return fmt::format("{} (found \"{}\")", hint, escaped(key));
    }
  }
  return "";
}

/// Shapes that need another objective than the loss over tokens.
void refuse_preferences(const Json& row, const std::string& where) {
  check<DataError>(!(row.contains("chosen") && row.contains("rejected")),
                   "{}: \"chosen\" and \"rejected\" are preference rows, which need a preference "
                   "objective; to train on the chosen answers alone, write them as prompt and "
                   "completion",
                   where);
  check<DataError>(
      !(row.contains("prompt") && row.contains("completion") && row.contains("label") &&
        row.at("label").is_boolean()),
      "{}: \"prompt\", \"completion\" and a boolean \"label\" are KTO rows, which need "
      "a preference objective; to train on the completions, set data.format to \"pair\"",
      where);
}

void refuse_ambiguity(const Json& row, const std::string& where) {
  const bool has_pair = row.contains("prompt") && row.contains("completion");
  const bool has_other = row.contains("conversations") || has_pair;
  check<DataError>(!(row.contains("messages") && has_other),
                   "{}: \"messages\" stands beside {}; say which is meant: --set {}", where,
                   has_pair ? "\"prompt\" and \"completion\"" : "\"conversations\"",
                   has_pair ? "data.format=chat or --set data.format=pair"
                            : "data.columns={\"messages\": \"messages\"}");
}

/// The key of a conversation is there, but not its messages.
void refuse_messages_that_are_no_list(const Json& row, const DataOptions& options,
                                      const std::string& where) {
  const Json named = options.columns.value("messages", Json("messages"));
  for (const std::string& key :
       {named.get<std::string>(), std::string("conversations"), std::string("conversation")}) {
    const Json* value = find_column(row, key);
    check<DataError>(value == nullptr || value->is_array(),
                     "{}: {}: expected a list of messages, found {}", where, key,
                     value == nullptr ? "" : json_excerpt(*value));
  }
}

/// Which columns were taken for what, and what else the row could have been.
std::string sentence(const RowMapping& mapping, const Json& row,
                     const std::optional<RowMapping>& runner_up, bool asked) {
  std::vector<std::string> parts;
  for (const std::string& ours : column_names()) {
    const auto found = mapping.columns.find(ours);
    const std::string name = found == mapping.columns.end() ? "" : found->second;
    if (found != mapping.columns.end() && find_column(row, name) != nullptr) {
      parts.push_back(ours == name ? fmt::format("\"{}\"", name)
                                   : fmt::format("\"{}\" as {}", name, ours));
    }
  }
  std::string text =
      fmt::format("{}, {} {} {}", shape_name(mapping.shape), asked ? "as asked, with" : "from",
                  parts.size() == 1 ? "the key" : "the keys", join(parts, ", "));
  if (mapping.layout == RowMapping::Layout::kMessages && mapping.role_key != "role") {
    text +=
        fmt::format(" (\"{}\" as role, \"{}\" as content)", mapping.role_key, mapping.content_key);
  }
  if (!asked && runner_up) {
    text += fmt::format("; it could also be read as {0} (--set data.format={0})",
                        shape_name(runner_up->shape));
  }
  return text;
}

/// Why no mapping was found.
std::string misfit(const DataOptions& options) {
  if (options.format != "auto") {
    return fmt::format("data.format \"{}\" does not fit the keys", options.format);
  }
  return options.task == Task::kLanguageModel
             ? "no known shape fits the keys"
             : "a classification row has text (or sentence) and label (or category), which are "
               "not the keys";
}

}  // namespace

std::string_view shape_name(RowShape shape) {
  constexpr std::string_view kNames[] = {"tokens", "segments",       "chat", "instruct",
                                         "pair",   "classification", "text"};
  return kNames[static_cast<size_t>(shape)];
}

const Json* find_column(const Json& row, const std::string& name) {
  if (const auto whole = row.find(name); whole != row.end()) {
    return &*whole;
  }
  if (name.find('.') == std::string::npos) {
    return nullptr;
  }
  const Json* value = &row;
  for (const std::string& part : split(name, '.')) {
    const bool is_place = value->is_array() && !part.empty() && part.size() < 10 &&
                          part.find_first_not_of("0123456789") == std::string::npos;
    if (value->is_object() && value->contains(part)) {
      value = &value->at(part);
    } else if (is_place && std::stoul(part) < value->size()) {
      value = &value->at(std::stoul(part));
    } else {
      return nullptr;
    }
  }
  return value;
}

const Json& RowMapping::column(const Json& row, const std::string& name) const {
  static const Json kNone;
  const auto known = columns.find(name);
  const Json* found = known == columns.end() ? nullptr : find_column(row, known->second);
  return found == nullptr ? kNone : *found;
}

RowMapping detect_mapping(const Json& first_row, const DataOptions& options,
                          const std::string& where) {
  check_column_options(options);
  const bool asked = options.format != "auto";
  if (!asked) {
    refuse_preferences(first_row, where);
  }
  if (!asked && !options.columns.contains("messages")) {
    refuse_ambiguity(first_row, where);
  }
  const ShapeDetector detector(first_row, options);
  std::optional<RowMapping> found = detector.find(options.format);
  if (!found) {
    refuse_messages_that_are_no_list(first_row, options, where);
  }
  check<DataError>(found.has_value(),
                   "{}: {} of this row; its keys are {}{}; name them with data.columns", where,
                   misfit(options), quoted_keys(first_row), nearest_known(first_row));
  found->roles = role_words(options);
  found->decision = sentence(*found, first_row, detector.runner_up(found->shape), asked);
  return *found;
}

std::string text_column(const Json& row, const RowMapping& mapping, const std::string& name,
                        const std::string& where) {
  const std::string& key = mapping.columns.at(name);
  const Json* value = find_column(row, key);
  check<DataError>(value != nullptr, "{}: expected the key \"{}\" as in the first row, found {}",
                   where, key, quoted_keys(row));
  check<DataError>(value->is_string(), "{}: {}: expected a string, found {}", where, key,
                   json_excerpt(*value));
  return value->get<std::string>();
}

}  // namespace peft
