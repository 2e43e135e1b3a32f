#include "peft/data/conversation.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "message_weight.h"
#include "peft/util/text.h"

namespace peft {
namespace {

using Layout = RowMapping::Layout;

/// Reads message lists; errors say where in the row they are.
class MessageReader {
 public:
  MessageReader(const RowMapping& mapping, bool knows_tools, std::string where)
      : mapping_(mapping), knows_tools_(knows_tools), where_(std::move(where)) {}

  /// Appends the messages of `list`, which the row keeps under `key`.
  void append(const Json& list, const std::string& key, Conversation& conversation) const {
    check<DataError>(list.is_array(), "{}: {}: expected a list of messages, found {}", where_, key,
                     json_excerpt(list));
    for (size_t i = 0; i < list.size(); ++i) {
      const std::string place = fmt::format("{}: {}[{}]", where_, key, i);
      check<DataError>(list[i].is_object(), "{}: expected an object, found {}", place,
                       json_excerpt(list[i]));
      if (mapping_.layout == Layout::kHumanAssistant) {
        append_exchange(list[i], place, conversation);
      } else {
        append_message(list[i], place, conversation);
      }
    }
  }

 private:
  void append_exchange(const Json& exchange, const std::string& place,
                       Conversation& conversation) const {
    for (const auto& [key, role] : {std::pair{"human", "user"}, {"assistant", "assistant"}}) {
      check<DataError>(exchange.contains(key) && exchange.at(key).is_string(),
                       "{}.{}: expected a string", place, key);
      conversation.messages.push_back({{"role", role}, {"content", exchange.at(key)}});
      conversation.weights.emplace_back();
    }
    const std::optional<float> weight = weight_of(exchange, mapping_, place);
    conversation.weights.back().whole = weight.value_or(1.0F);
    conversation.has_weight = conversation.has_weight || weight;
  }

  void append_message(const Json& source, const std::string& place,
                      Conversation& conversation) const {
    const std::string role = role_of(source, place);
    Json message = {{"role", role == "function_call" ? "assistant" : role}};
    const std::optional<float> whole = weight_of(source, mapping_, place);
    conversation.has_weight = conversation.has_weight || whole;
    MessageWeight weight{whole.value_or(1.0F)};
    message["content"] = content_of(source, place, weight.spans);
    const auto& content = message["content"].get_ref<const std::string&>();
    if (const Json* detail = find_column(source, mapping_.train_detail_key); detail != nullptr) {
      read_detail(*detail, content, place, weight);
      conversation.has_train_detail = true;
    }
    simplify(weight, content);
    for (const auto& [key, value] : source.items()) {
      const bool ours = key == mapping_.role_key || key == mapping_.content_key || is_weight(key);
      if (!ours && !message.contains(key)) {
        message[key] = value;
      }
    }
    if (role == "function_call") {
      call_tools(message);
    }
    conversation.messages.push_back(std::move(message));
    conversation.weights.push_back(std::move(weight));
  }

  std::string role_of(const Json& source, const std::string& place) const {
    const std::string& key = mapping_.role_key;
    check<DataError>(source.contains(key) && source.at(key).is_string(),
                     "{}.{}: expected a string, found {}", place, key,
                     source.contains(key) ? json_excerpt(source.at(key)) : "nothing");
    const auto role = source.at(key).get<std::string>();
    const auto known = mapping_.roles.find(role);
    check<DataError>(known != mapping_.roles.end(),
                     "{}.{}: expected system, user, assistant or tool, found {}; map it with "
                     "data.columns.roles",
                     place, key, json_excerpt(source.at(key)));
    return known->second;
  }

  /// A string; a list of text parts, joined, with a span for each if they count differently; or
  /// null beside tool calls.
  std::string content_of(const Json& source, const std::string& place,
                         std::vector<WeightedSpan>& spans) const {
    const std::string& key = mapping_.content_key;
    const Json content = source.contains(key) ? source.at(key) : Json();
    if (content.is_string()) {
      return content.get<std::string>();
    }
    if (content.is_null() && source.contains("tool_calls")) {
      return "";
    }
    check<DataError>(content.is_array(),
                     "{}.{}: expected a string or a list of text parts, found {}", place, key,
                     json_excerpt(content));
    std::string text;
    for (size_t i = 0; i < content.size(); ++i) {
      const std::string part = fmt::format("{}.{}[{}]", place, key, i);
      const int64_t begin = count_code_points(text);
      text += part_text(content[i], part);
      spans.push_back(
          {begin, count_code_points(text), weight_of(content[i], mapping_, part).value_or(1.0F)});
    }
    if (std::all_of(spans.begin(), spans.end(), [](const auto& s) { return s.weight == 1.0F; })) {
      spans.clear();
    }
    return text;
  }

  void read_detail(const Json& detail, const std::string& content, const std::string& place,
                   MessageWeight& weight) const {
    if (detail.is_null()) {
      return;
    }
    const std::string& key = mapping_.train_detail_key;
    check<DataError>(weight.spans.empty(),
                     "{}.{}: the parts of {} have weights of their own; keep one", place, key,
                     mapping_.content_key);
    weight.spans =
        read_train_detail(detail, count_code_points(content), fmt::format("{}.{}", place, key));
    weight.whole = detail.empty() ? 0.0F : weight.whole;
  }

  /// A content of which nothing counts masks its message; one without a word has no parts.
  static void simplify(MessageWeight& weight, const std::string& content) {
    const std::vector<WeightedSpan>& spans = weight.spans;
    if (!spans.empty() &&
        std::all_of(spans.begin(), spans.end(), [](const auto& s) { return s.weight == 0.0F; })) {
      weight.whole = 0.0F;
    }
    if (weight.whole == 0.0F || without_space(content).empty()) {
      weight.spans.clear();
    }
  }

  static std::string part_text(const Json& part, const std::string& place) {
    const bool is_text = part.is_object() && part.value("type", Json("text")) == "text";
    for (const char* key : {"text", "value"}) {
      if (is_text && part.contains(key) && part.at(key).is_string()) {
        return part.at(key).get<std::string>();
      }
    }
    fail<DataError>("{}: expected {{\"type\": \"text\", \"text\": ...}}, found {}", place,
                    json_excerpt(part));
  }

  /// Not for the template.
  bool is_weight(const std::string& name) const {
    const std::vector<std::string>& keys = mapping_.weight_keys;
    return name == mapping_.train_detail_key ||
           std::find(keys.begin(), keys.end(), name) != keys.end();
  }

  /// A ShareGPT function call holds {"name", "arguments"} as JSON text.
  void call_tools(Json& message) const {
    if (!knows_tools_) {
      return;
    }
    std::optional<JsonFault> fault;
    const Json parsed = parse_json(message["content"].get<std::string>(), JsonLimits{}, &fault);
    const Json calls = parsed.is_array() ? parsed : Json::array({parsed});
    Json tool_calls = Json::array();
    for (const Json& call : calls) {
      if (fault || !call.is_object() || !call.contains("name") || !call.contains("arguments")) {
        return;
      }
      tool_calls.push_back({{"type", "function"}, {"function", call}});
    }
    message["content"] = "";
    message["tool_calls"] = std::move(tool_calls);
  }

  const RowMapping& mapping_;
  bool knows_tools_;
  std::string where_;
};

/// A list of tools; ShareGPT keeps it as JSON text.
Json read_tools(const Json& value, const std::string& where) {
  Json tools = value;
  if (value.is_string()) {
    const auto text = value.get<std::string>();
    tools = text.empty() ? Json() : parse_json<DataError>(text, where + ": tools");
  }
  check<DataError>(tools.is_null() || tools.is_array(), "{}: tools: expected a list, found {}",
                   where, json_excerpt(tools));
  return tools.empty() ? Json() : tools;
}

void say(Conversation& conversation, const std::string& role, const std::string& text) {
  conversation.messages.push_back({{"role", role}, {"content", text}});
  conversation.weights.emplace_back();
}

/// A string column that may be missing or null.
std::string optional_text(const Json& row, const RowMapping& mapping, const std::string& name,
                          const std::string& where) {
  return mapping.column(row, name).is_null() ? "" : text_column(row, mapping, name, where);
}

/// What the user says: the instruction, and its input on the next line.
std::string request_of(const Json& row, const RowMapping& mapping, const std::string& where) {
  const std::string input = optional_text(row, mapping, "input", where);
  const std::string instruction = text_column(row, mapping, "instruction", where);
  return input.empty() ? instruction : instruction + "\n" + input;
}

/// Earlier turns: [["request", "answer"], ...].
std::vector<std::pair<std::string, std::string>> history_of(const Json& row,
                                                            const RowMapping& mapping,
                                                            const std::string& where) {
  std::vector<std::pair<std::string, std::string>> turns;
  const Json& history = mapping.column(row, "history");
  check<DataError>(history.is_null() || history.is_array(),
                   "{}: history: expected a list, found {}", where, json_excerpt(history));
  for (size_t i = 0; i < history.size(); ++i) {
    const Json& turn = history[i];
    check<DataError>(
        turn.is_array() && turn.size() == 2 && turn[0].is_string() && turn[1].is_string(),
        "{}: history[{}]: expected [request, answer], found {}", where, i, json_excerpt(turn));
    turns.emplace_back(turn[0].get<std::string>(), turn[1].get<std::string>());
  }
  return turns;
}

}  // namespace

Conversation read_conversation(const Json& row, const RowMapping& mapping, bool knows_tools,
                               const std::string& where) {
  if (mapping.layout == Layout::kInstruct) {
    return instruct_conversation(row, mapping, where);
  }
  Conversation conversation;
  if (mapping.layout == Layout::kPair) {
    say(conversation, "user", text_column(row, mapping, "prompt", where));
    say(conversation, "assistant", text_column(row, mapping, "completion", where));
    return conversation;
  }
  const MessageReader reader(mapping, knows_tools, where);
  if (const std::string system = optional_text(row, mapping, "system", where); !system.empty()) {
    say(conversation, "system", system);
  }
  if (mapping.layout == Layout::kMessagePair) {
    reader.append(mapping.column(row, "prompt"), mapping.columns.at("prompt"), conversation);
    conversation.prompt_messages = conversation.messages.size();
    reader.append(mapping.column(row, "completion"), mapping.columns.at("completion"),
                  conversation);
  } else {
    reader.append(mapping.column(row, "messages"), mapping.columns.at("messages"), conversation);
  }
  check<DataError>(!conversation.messages.empty(), "{}: the conversation has no messages", where);
  conversation.tools = read_tools(mapping.column(row, "tools"), where);
  return conversation;
}

Conversation instruct_conversation(const Json& row, const RowMapping& mapping,
                                   const std::string& where) {
  Conversation conversation;
  if (const std::string system = optional_text(row, mapping, "system", where); !system.empty()) {
    say(conversation, "system", system);
  }
  for (const auto& [request, answer] : history_of(row, mapping, where)) {
    say(conversation, "user", request);
    say(conversation, "assistant", answer);
  }
  say(conversation, "user", request_of(row, mapping, where));
  say(conversation, "assistant", text_column(row, mapping, "output", where));
  return conversation;
}

PromptCompletion instruct_text(const Json& row, const RowMapping& mapping,
                               const std::string& where) {
  std::string prompt = optional_text(row, mapping, "system", where);
  if (!prompt.empty()) {
    prompt += "\n\n";
  }
  for (const auto& [request, answer] : history_of(row, mapping, where)) {
    prompt += fmt::format("### Instruction:\n{}\n\n### Response:\n{}\n\n", request, answer);
  }
  prompt +=
      fmt::format("### Instruction:\n{}\n\n", text_column(row, mapping, "instruction", where));
  if (const std::string input = optional_text(row, mapping, "input", where); !input.empty()) {
    prompt += fmt::format("### Input:\n{}\n\n", input);
  }
  return {prompt + "### Response:\n", text_column(row, mapping, "output", where)};
}

}  // namespace peft
