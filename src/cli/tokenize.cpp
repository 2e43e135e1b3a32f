#include <CLI/CLI.hpp>
#include <memory>

#include "peft/cli/command.h"
#include "peft/cli/model_text.h"
#include "peft/util/text.h"

namespace peft {
namespace {

constexpr size_t kLargestText = size_t{256} << 20;

struct TokenizeCommand {
  std::string model;
  std::string text, file, messages;
  bool has_text = false;
  std::string chat_template = "tokenizer";
  bool no_special_tokens = false;
  bool add_generation_prompt = false;
  bool json = false;
};

/// A rendered conversation; its template writes the special tokens itself.
Encoding encode_messages(const TokenizeCommand& options, const ModelText& model) {
  check<DataError>(model.chat_template.has_value(),
                   "{}: no chat template; give --chat-template chatml or a file", options.model);
  const Json messages = read_messages(options.messages);
  const Json& list = messages.is_object() ? messages.at("messages") : messages;
  const Json tools = messages.is_object() ? messages.value("tools", Json()) : Json();
  const std::string text = model.chat_template->render(list, tools, options.add_generation_prompt);
  return model.tokenizer->encode(text, /*add_special_tokens=*/false);
}

void print_table(const Encoding& encoding, const Tokenizer& tokenizer) {
  for (size_t i = 0; i < encoding.ids.size(); ++i) {
    print_text(fmt::format("{:>7}  {:>6}-{:<6}  {}\n", encoding.ids[i], encoding.offsets[i].first,
                           encoding.offsets[i].second, escaped(tokenizer.token(encoding.ids[i]))));
  }
}

Json encoding_json(const Encoding& encoding, const Tokenizer& tokenizer) {
  Json tokens = Json::array();
  Json offsets = Json::array();
  for (size_t i = 0; i < encoding.ids.size(); ++i) {
    tokens.push_back(tokenizer.token(encoding.ids[i]));
    offsets.push_back(Json::array({encoding.offsets[i].first, encoding.offsets[i].second}));
  }
  return {{"ids", encoding.ids}, {"tokens", std::move(tokens)}, {"offsets", std::move(offsets)}};
}

int tokenize(const TokenizeCommand& options) {
  const int sources = (options.has_text ? 1 : 0) + (options.file.empty() ? 0 : 1) +
                      (options.messages.empty() ? 0 : 1);
  check<UsageError>(sources == 1, "expected one of --text, --file and --messages, found {}",
                    sources == 0 ? "none" : "several");
  const ModelText model = read_model_text(options.model, options.chat_template);
  const auto encode = [&](const std::string& text) {
    return model.tokenizer->encode(text, !options.no_special_tokens);
  };
  const Encoding encoding = !options.messages.empty() ? encode_messages(options, model)
                            : options.has_text
                                ? encode(options.text)
                                : encode(read_text<DataError>(options.file, kLargestText));
  if (options.json) {
    print_json(encoding_json(encoding, *model.tokenizer));
  } else {
    print_table(encoding, *model.tokenizer);
  }
  return 0;
}

}  // namespace

void setup_tokenize(CLI::App& app, Action& action) {
  const auto options = std::make_shared<TokenizeCommand>();
  CLI::App* command = app.add_subcommand("tokenize", "show the token ids of a text");
  command->add_option("--model", options->model, "model folder")->required();
  CLI::Option* text = command->add_option("--text", options->text, "the text");
  command->add_option("--file", options->file, "a file that is one text");
  command->add_option("--messages", options->messages,
                      "JSON file with a list of {\"role\", \"content\"}");
  command
      ->add_option("--chat-template", options->chat_template, "tokenizer, chatml or a Jinja file")
      ->capture_default_str();
  command->add_flag("--no-special-tokens", options->no_special_tokens,
                    "leave out what the tokenizer adds around a text");
  command->add_flag("--add-generation-prompt", options->add_generation_prompt,
                    "end a conversation where the assistant speaks");
  command->add_flag("--json", options->json, "one JSON document on stdout");
  command->callback([options, text, &action] {
    options->has_text = text->count() > 0;
    action = [options] { return tokenize(*options); };
  });
}

}  // namespace peft
