#include "peft/data/column_options.h"

#include <algorithm>

#include "peft/util/text.h"

namespace peft {
namespace {

/// Words that the tools of the field use for our four roles.
const std::map<std::string, std::string> kRoles = {
    {"system", "system"},       {"user", "user"},
    {"assistant", "assistant"}, {"tool", "tool"},
    {"human", "user"},          {"gpt", "assistant"},
    {"observation", "tool"},    {"function_call", "function_call"}};

}  // namespace

const std::vector<std::string>& column_names() {
  static const std::vector<std::string> names = {
      "messages", "role",        "content", "roles",    "weight",    "train_detail", "tools",
      "system",   "instruction", "input",   "history",  "prompt",    "completion",   "output",
      "text",     "text_pair",   "label",   "segments", "input_ids", "labels"};
  return names;
}

void check_column_options(const DataOptions& options) {
  const std::vector<std::string> formats = {"auto", "text",     "pair",           "instruct",
                                            "chat", "segments", "classification", "tokens"};
  check<UsageError>(std::find(formats.begin(), formats.end(), options.format) != formats.end(),
                    "data.format: expected one of {}, found \"{}\"{}", join(formats, ", "),
                    options.format, did_you_mean(options.format, formats));
  check<UsageError>(options.columns.is_object(), "data.columns: expected an object, found {}",
                    json_excerpt(options.columns));
  for (const auto& [ours, name] : options.columns.items()) {
    check<UsageError>(
        std::find(column_names().begin(), column_names().end(), ours) != column_names().end(),
        "data.columns: unknown column \"{}\"{}", ours, did_you_mean(ours, column_names()));
    check<UsageError>(ours == "roles" ? name.is_object() : name.is_string(),
                      "data.columns.{}: expected {}, found {}", ours,
                      ours == "roles" ? "an object" : "the file's name of it", json_excerpt(name));
  }
}

std::map<std::string, std::string> role_words(const DataOptions& options) {
  std::map<std::string, std::string> roles = kRoles;
  if (options.columns.contains("roles")) {
    for (const auto& [word, role] : options.columns.at("roles").items()) {
      const std::string ours = role.is_string() ? role.get<std::string>() : "";
      check<UsageError>(ours == "system" || ours == "user" || ours == "assistant" || ours == "tool",
                        "data.columns.roles.{}: expected system, user, assistant or tool, found {}",
                        word, json_excerpt(role));
      roles[word] = ours;
    }
  }
  return roles;
}

}  // namespace peft
