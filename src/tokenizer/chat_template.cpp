#include "peft/tokenizer/chat_template.h"

#include <array>
#include <utility>
#include <vector>

#include "peft/template/renderer.h"
#include "peft/util/error.h"

namespace peft {
namespace {

namespace fs = std::filesystem;

constexpr size_t kTemplateBytes = size_t{1} << 20;
// tokenizer_config.json lists every added token of large vocabularies.
constexpr size_t kConfigBytes = size_t{16} << 20;

constexpr const char* kChatMl =
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

// Reasoning travels under three names; templates read the first, those of gpt-oss the second.
Json with_reasoning_names(const Json& message) {
  static constexpr std::array kNames = {"reasoning_content", "thinking", "reasoning"};
  for (const char* name : kNames) {
    const auto found = message.find(name);
    if (found == message.end() || found->is_null()) {
      continue;
    }
    Json named = {{"thinking", *found}};
    for (const auto& [key, value] : message.items()) {
      named[key] = value;
    }
    named["reasoning_content"] = *found;
    return named;
  }
  return message;
}

TemplateValue message_values(const Json& messages) {
  check<DataError>(messages.is_array(), "chat messages: expected a list, found {}",
                   json_kind(messages));
  Json named = Json::array();
  for (const Json& message : messages) {
    check<DataError>(message.is_object(),
                     "chat messages: expected a list of objects, found {} in it",
                     json_excerpt(message));
    named.push_back(with_reasoning_names(message));
  }
  return TemplateValue::from_json(named);
}

std::optional<std::string> template_of_config(const Json& config, const std::string& where) {
  const auto found = config.find("chat_template");
  if (found == config.end() || found->is_null()) {
    return std::nullopt;
  }
  if (found->is_string()) {
    return found->get<std::string>();
  }
  check<ModelError>(found->is_array(), "{}: chat_template: expected a string or a list, found {}",
                    where, json_excerpt(*found));
  for (const Json& entry : *found) {
    const bool complete = entry.is_object() && entry.contains("name") &&
                          entry.contains("template") && entry["template"].is_string();
    check<ModelError>(complete, "{}: chat_template: expected {{\"name\", \"template\"}}, found {}",
                      where, json_excerpt(entry));
    if (entry["name"] == "default") {
      return entry["template"].get<std::string>();
    }
  }
  return std::nullopt;
}

}  // namespace

struct ChatTemplate::Parsed {
  JinjaTemplate jinja;
  std::vector<std::pair<std::string, TemplateValue>> tokens;
};

ChatTemplate::ChatTemplate(std::string source, const SpecialTokens& special)
    : source_(std::move(source)),
      parsed_(std::make_unique<Parsed>(Parsed{JinjaTemplate(source_), {}})) {
  const std::pair<const char*, const std::string&> names[] = {{"bos_token", special.bos_text},
                                                              {"eos_token", special.eos_text},
                                                              {"unk_token", special.unk_text},
                                                              {"pad_token", special.pad_text}};
  for (const auto& [name, text] : names) {
    if (!text.empty()) {
      parsed_->tokens.emplace_back(name, TemplateValue::text(text));
    }
  }
}

ChatTemplate::~ChatTemplate() = default;
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;

std::string ChatTemplate::render(const Json& messages, const Json& tools,
                                 bool add_generation_prompt) const {
  check<DataError>(tools.is_null() || tools.is_array(), "tools: expected a list or null, found {}",
                   json_kind(tools));
  auto variables = parsed_->tokens;
  variables.emplace_back("messages", message_values(messages));
  variables.emplace_back("tools", TemplateValue::from_json(tools));
  variables.emplace_back("documents", TemplateValue());
  variables.emplace_back("add_generation_prompt", TemplateValue::boolean(add_generation_prompt));
  return parsed_->jinja.render(variables);
}

std::optional<std::string> find_chat_template(const fs::path& model_directory) {
  const fs::path file = model_directory / "chat_template.jinja";
  if (fs::exists(file)) {
    return read_text<ModelError>(file, kTemplateBytes);
  }
  const fs::path config = model_directory / "tokenizer_config.json";
  if (!fs::exists(config)) {
    return std::nullopt;
  }
  const Json json = read_json<ModelError>(config, {.bytes = kConfigBytes, .huge_integers = true});
  check<ModelError>(json.is_object(), "{}: expected an object, found {}", config.string(),
                    json_kind(json));
  return template_of_config(json, config.string());
}

std::optional<ChatTemplate> load_chat_template(const std::string& choice,
                                               const fs::path& model_directory,
                                               const SpecialTokens& special) {
  if (choice == "chatml") {
    return ChatTemplate(kChatMl, special);
  }
  if (choice != "tokenizer") {
    return ChatTemplate(read_text<UsageError>(choice, kTemplateBytes), special);
  }
  std::optional<std::string> source = find_chat_template(model_directory);
  return source ? std::optional(ChatTemplate(std::move(*source), special)) : std::nullopt;
}

}  // namespace peft
