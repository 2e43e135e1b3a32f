#include "shape_detector.h"

#include <functional>

namespace peft {
namespace {

using Layout = RowMapping::Layout;

const std::vector<std::string> kPromptNames = {"prompt", "query", "question", "problem", "input"};
const std::vector<std::string> kCompletionNames = {"completion", "response", "answer", "output",
                                                   "target"};
const std::vector<std::string> kLabelNames = {"label", "category"};
const std::vector<std::string> kSentenceNames = {"text",      "sentence", "text1",
                                                 "sentence1", "premise",  "question1"};
const std::vector<std::string> kSecondNames = {"text_pair", "text2", "sentence2", "hypothesis",
                                               "question2"};

const Json& first_of(const Json& list) {
  static const Json kNothing;
  return list.empty() ? kNothing : list.front();
}

}  // namespace

std::optional<RowMapping> ShapeDetector::find(const std::string& wanted) const {
  const std::function<std::optional<RowMapping>()> tries[] = {
      [&] { return tokens(); },   [&] { return segments(); }, [&] { return chat(); },
      [&] { return instruct(); }, [&] { return pair(); },     [&] { return classification(); },
      [&] { return text(); }};
  for (const auto& attempt : tries) {
    std::optional<RowMapping> found = attempt();
    const bool chat_of_strings =
        found && wanted == "chat" &&
        (found->shape == RowShape::kInstruct || found->shape == RowShape::kPair);
    if (chat_of_strings) {
      found->shape = RowShape::kChat;
    }
    if (found && (wanted == "auto" || wanted == shape_name(found->shape)) &&
        fits_task(found->shape)) {
      return found;
    }
  }
  return std::nullopt;
}

std::optional<RowMapping> ShapeDetector::runner_up(RowShape taken) const {
  for (int shape = static_cast<int>(taken) + 1; shape <= static_cast<int>(RowShape::kText);
       ++shape) {
    if (auto found = find(std::string(shape_name(static_cast<RowShape>(shape))))) {
      return found;
    }
  }
  return std::nullopt;
}

std::optional<std::string> ShapeDetector::name_of(const std::string& ours,
                                                  const std::vector<std::string>& names) const {
  if (options_.columns.contains(ours)) {
    const auto mapped = options_.columns.at(ours).get<std::string>();
    return find_column(row_, mapped) != nullptr ? std::optional(mapped) : std::nullopt;
  }
  for (const std::string& name : names.empty() ? std::vector<std::string>{ours} : names) {
    if (row_.contains(name)) {
      return name;
    }
  }
  return std::nullopt;
}

std::optional<RowMapping> ShapeDetector::mapping(RowShape shape, Layout layout,
                                                 const Columns& needed,
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

bool ShapeDetector::fits_task(RowShape shape) const {
  return options_.task == Task::kLanguageModel
             ? shape != RowShape::kClassification
             : shape == RowShape::kClassification || shape == RowShape::kTokens;
}

std::optional<RowMapping> ShapeDetector::tokens() const {
  if (options_.task != Task::kLanguageModel) {
    return mapping(RowShape::kTokens, Layout::kTokens,
                   {{"input_ids", name_of("input_ids")},
                    {"label", name_of("label", {"label", "labels", "category"})}},
                   {"token_type_ids"});
  }
  return mapping(RowShape::kTokens, Layout::kTokens, {{"input_ids", name_of("input_ids")}},
                 {"labels"});
}

std::optional<RowMapping> ShapeDetector::segments() const {
  return mapping(RowShape::kSegments, Layout::kSegments, {{"segments", name_of("segments")}}, {});
}

std::optional<RowMapping> ShapeDetector::chat() const {
  const auto name = name_of("messages", {"messages", "conversations", "conversation"});
  if (!name || !find_column(row_, *name)->is_array()) {
    std::optional<RowMapping> found = pair();
    return found && found->layout == Layout::kMessagePair ? found : std::nullopt;
  }
  auto found =
      mapping(RowShape::kChat, Layout::kMessages, {{"messages", name}}, {"tools", "system"});
  const Json& first = first_of(*find_column(row_, *name));
  if (first.is_object() && first.contains("human") && first.contains("assistant")) {
    found->layout = Layout::kHumanAssistant;
  }
  set_message_keys(*found, first);
  return found;
}

std::optional<RowMapping> ShapeDetector::instruct() const {
  return mapping(RowShape::kInstruct, Layout::kInstruct,
                 {{"instruction", name_of("instruction")}, {"output", name_of("output")}},
                 {"input", "system", "history"});
}

std::optional<RowMapping> ShapeDetector::pair() const {
  const auto prompt = name_of("prompt", kPromptNames);
  const auto completion = name_of("completion", kCompletionNames);
  auto found = mapping(RowShape::kPair, Layout::kPair,
                       {{"prompt", prompt}, {"completion", completion}}, {"tools"});
  if (found && find_column(row_, *prompt)->is_array()) {
    found->shape = RowShape::kChat;
    found->layout = Layout::kMessagePair;
    set_message_keys(*found, first_of(*find_column(row_, *prompt)));
  }
  return found;
}

std::optional<RowMapping> ShapeDetector::classification() const {
  auto found = mapping(
      RowShape::kClassification, Layout::kClassification,
      {{"text", name_of("text", kSentenceNames)}, {"label", name_of("label", kLabelNames)}}, {});
  if (const auto second = name_of("text_pair", kSecondNames); found && second) {
    found->columns["text_pair"] = *second;
  }
  return found;
}

std::optional<RowMapping> ShapeDetector::text() const {
  return mapping(RowShape::kText, Layout::kText, {{"text", name_of("text")}}, {});
}

void ShapeDetector::set_message_keys(RowMapping& found, const Json& message) const {
  const bool share_gpt = message.is_object() && !message.contains("role") &&
                         message.contains("from") && message.contains("value");
  const auto choose = [&](const std::string& ours, const std::string& other) {
    return options_.columns.contains(ours) ? options_.columns.at(ours).get<std::string>()
           : share_gpt                     ? other
                                           : ours;
  };
  found.role_key = choose("role", "from");
  found.content_key = choose("content", "value");
  if (options_.columns.contains("weight")) {
    found.weight_keys = {options_.columns.at("weight").get<std::string>()};
  }
  found.train_detail_key = choose("train_detail", "train_detail");
}

}  // namespace peft
