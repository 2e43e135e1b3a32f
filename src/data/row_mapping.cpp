#include "peft/data/row_mapping.h"

#include <algorithm>
#include <functional>
#include <optional>

#include "peft/data/column_options.h"
#include "peft/util/text.h"

namespace peft {
namespace {

using Layout = RowMapping::Layout;

const std::vector<std::string> kPromptNames = {"prompt", "query", "question", "problem", "input"};
const std::vector<std::string> kCompletionNames = {"completion", "response", "answer", "output",
                                                   "target"};
/// Tries the layouts on one row.
class Detector {
 public:
  Detector(const Json& row, const DataOptions& options) : row_(row), options_(options) {}

  /// The first layout that fits, in the order of precedence; `wanted` limits it to one format.
  std::optional<RowMapping> find(const std::string& wanted) const {
    const std::function<std::optional<RowMapping>()> tries[] = {
        [&] { return tokens(); }, [&] { return chat(); }, [&] { return instruct(); },
        [&] { return pair(); }, [&] { return text(); }};
    for (const auto& attempt : tries) {
      std::optional<RowMapping> found = attempt();
      const bool chat_of_strings =
          found && wanted == "chat" &&
          (found->shape == RowShape::kInstruct || found->shape == RowShape::kPair);
      if (chat_of_strings) {
        found->shape = RowShape::kChat;
      }
      if (found && (wanted == "auto" || wanted == shape_name(found->shape))) {
        return found;
      }
    }
    return std::nullopt;
  }

  /// The file's name of a column if the row has it: what data.columns says, else the first of
  /// `names` (our own name when there are none).
  std::optional<std::string> name_of(const std::string& ours,
                                     const std::vector<std::string>& names = {}) const {
    if (options_.columns.contains(ours)) {
      const auto mapped = options_.columns.at(ours).get<std::string>();
      return row_.contains(mapped) ? std::optional(mapped) : std::nullopt;
    }
    for (const std::string& name : names.empty() ? std::vector<std::string>{ours} : names) {
      if (row_.contains(name)) {
        return name;
      }
    }
    return std::nullopt;
  }

 private:
  /// A mapping if every required column is there; optional ones join when they are.
  std::optional<RowMapping> mapping(RowShape shape, Layout layout,
                                    const std::map<std::string, std::optional<std::string>>& needed,
                                    const std::vector<std::string>& optional) const {
    RowMapping found;
    found.shape = shape;
    found.layout = layout;
    for (const auto& [ours, name] : needed) {
      if (!name) {
        return std::nullopt;
      }
      found.columns[ours] = *name;
    }
    for (const std::string& ours : optional) {
      found.columns[ours] =
          options_.columns.contains(ours) ? options_.columns.at(ours).get<std::string>() : ours;
    }
    return found;
  }

  std::optional<RowMapping> tokens() const {
    return mapping(RowShape::kTokens, Layout::kTokens, {{"input_ids", name_of("input_ids")}},
                   {"labels"});
  }

  std::optional<RowMapping> chat() const {
    const auto name = name_of("messages", {"messages", "conversations", "conversation"});
    if (!name || !row_.at(*name).is_array()) {
      std::optional<RowMapping> found = pair();
      return found && found->layout == Layout::kMessagePair ? found : std::nullopt;
    }
    auto found =
        mapping(RowShape::kChat, Layout::kMessages, {{"messages", name}}, {"tools", "system"});
    const Json& list = row_.at(*name);
    const Json first = list.empty() ? Json::object() : list.front();
    if (first.is_object() && first.contains("human") && first.contains("assistant")) {
      found->layout = Layout::kHumanAssistant;
    }
    set_message_keys(*found, first);
    return found;
  }

  std::optional<RowMapping> instruct() const {
    return mapping(RowShape::kInstruct, Layout::kInstruct,
                   {{"instruction", name_of("instruction")}, {"output", name_of("output")}},
                   {"input", "system", "history"});
  }

  std::optional<RowMapping> pair() const {
    const auto prompt = name_of("prompt", kPromptNames);
    const auto completion = name_of("completion", kCompletionNames);
    auto found = mapping(RowShape::kPair, Layout::kPair,
                         {{"prompt", prompt}, {"completion", completion}}, {"tools"});
    if (found && row_.at(*prompt).is_array()) {
      found->shape = RowShape::kChat;
      found->layout = Layout::kMessagePair;
      set_message_keys(*found, row_.at(*prompt).empty() ? Json() : row_.at(*prompt).front());
    }
    return found;
  }

  std::optional<RowMapping> text() const {
    return mapping(RowShape::kText, Layout::kText, {{"text", name_of("text")}}, {});
  }

  void set_message_keys(RowMapping& found, const Json& message) const {
    const bool share_gpt = message.is_object() && !message.contains("role") &&
                           message.contains("from") && message.contains("value");
    const auto choose = [&](const std::string& ours, const std::string& other) {
      return options_.columns.contains(ours) ? options_.columns.at(ours).get<std::string>()
             : share_gpt                     ? other
                                             : ours;
    };
    found.role_key = choose("role", "from");
    found.content_key = choose("content", "value");
  }

  const Json& row_;
  const DataOptions& options_;
};

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

/// Which columns were taken for what, and what else the row could have been.
std::string sentence(const RowMapping& mapping, const Json& row,
                     const std::optional<RowMapping>& runner_up, bool asked) {
  std::vector<std::string> parts;
  for (const std::string& ours : column_names()) {
    const auto found = mapping.columns.find(ours);
    const std::string name = found == mapping.columns.end() ? "" : found->second;
    if (found != mapping.columns.end() && row.contains(name)) {
      parts.push_back(ours == name ? fmt::format("\"{}\"", name)
                                   : fmt::format("\"{}\" as {}", name, ours));
    }
  }
  std::string text =
      fmt::format("{}, {} {} {}", shape_name(mapping.shape), asked ? "as asked, with" : "from",
                  parts.size() == 1 ? "the key" : "the keys", join(parts, ", "));
  if (mapping.layout == Layout::kMessages && mapping.role_key != "role") {
    text +=
        fmt::format(" (\"{}\" as role, \"{}\" as content)", mapping.role_key, mapping.content_key);
  }
  if (!asked && runner_up) {
    text += fmt::format("; it could also be read as {0} (--set data.format={0})",
                        shape_name(runner_up->shape));
  }
  return text;
}

/// The next shape below the one taken that also fits.
std::optional<RowMapping> runner_up(const Detector& detector, RowShape taken) {
  for (int shape = static_cast<int>(taken) + 1; shape <= static_cast<int>(RowShape::kText);
       ++shape) {
    const RowShape candidate = static_cast<RowShape>(shape);
    if (auto found = detector.find(std::string(shape_name(candidate)))) {
      return found;
    }
  }
  return std::nullopt;
}

}  // namespace

std::string_view shape_name(RowShape shape) {
  constexpr std::string_view kNames[] = {"tokens", "chat", "instruct", "pair", "text"};
  return kNames[static_cast<size_t>(shape)];
}

const Json& RowMapping::column(const Json& row, const std::string& name) const {
  static const Json kNone;
  const auto known = columns.find(name);
  if (known == columns.end()) {
    return kNone;
  }
  const auto found = row.find(known->second);
  return found == row.end() ? kNone : *found;
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
  const Detector detector(first_row, options);
  std::optional<RowMapping> found = detector.find(options.format);
  check<DataError>(found.has_value(),
                   "{}: {} of this row; its keys are {}{}; name them with data.columns", where,
                   asked ? fmt::format("data.format \"{}\" does not fit the keys", options.format)
                         : "no known shape fits the keys",
                   quoted_keys(first_row), nearest_known(first_row));
  found->roles = role_words(options);
  found->decision = sentence(*found, first_row, runner_up(detector, found->shape), asked);
  return *found;
}

std::string text_column(const Json& row, const RowMapping& mapping, const std::string& name,
                        const std::string& where) {
  const std::string& key = mapping.columns.at(name);
  check<DataError>(row.contains(key), "{}: expected the key \"{}\" as in the first row, found {}",
                   where, key, quoted_keys(row));
  const Json& value = row.at(key);
  check<DataError>(value.is_string(), "{}: {}: expected a string, found {}", where, key,
                   json_excerpt(value));
  return value.get<std::string>();
}

}  // namespace peft
