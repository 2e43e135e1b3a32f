#include <unistd.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "peft/cli/command.h"
#include "peft/cli/engine.h"
#include "peft/util/text.h"

namespace peft {
namespace {

struct GenerateCommand {
  ModelOptions model;
  std::string prompt, messages, input;
  bool has_prompt = false;
  int64_t max_new_tokens = 128;
  double temperature = 0.0;
  double top_p = 1.0;
  int64_t seed = 42;
  std::string chat_template = "tokenizer";
  std::string ensemble;
  bool json = false;
};

int generate(const GenerateCommand& options) {
  Request request = model_request(options.model);
  const int sources = (options.has_prompt ? 1 : 0) + (options.messages.empty() ? 0 : 1) +
                      (options.input.empty() ? 0 : 1);
  check<UsageError>(sources == 1, "expected one of --prompt, --messages and --input, found {}",
                    sources == 0 ? "none" : "several");
  check<UsageError>(is_utf8(options.prompt), "--prompt: expected UTF-8");
  check_at_least("--max-new-tokens", options.max_new_tokens, 1);
  check_at_least("--seed", options.seed, 0);
  check<UsageError>(options.temperature >= 0.0, "--temperature: expected at least 0, found {}",
                    options.temperature);
  check<UsageError>(options.top_p > 0.0 && options.top_p <= 1.0,
                    "--top-p: expected a number > 0 and <= 1, found {}", options.top_p);
  request.update({{"prompt", options.has_prompt ? Json(options.prompt) : Json()},
                  {"messages", options.messages.empty() ? Json() : read_messages(options.messages)},
                  {"input", text_or_null(options.input)},
                  {"max_new_tokens", options.max_new_tokens},
                  {"temperature", options.temperature},
                  {"top_p", options.top_p},
                  {"seed", options.seed},
                  {"chat_template", options.chat_template},
                  {"ensemble", ensemble_request(options.ensemble, options.model)},
                  {"json", options.json},
                  {"stream", !options.json && ::isatty(STDOUT_FILENO) == 1},
                  {"add_special", true}});
  return run_engine("generate", request);
}

}  // namespace

void setup_generate(CLI::App& app, Action& action) {
  const auto options = std::make_shared<GenerateCommand>();
  CLI::App* command = app.add_subcommand("generate", "continue a prompt or answer a conversation");
  add_model_options(*command, options->model);
  CLI::Option* prompt = command->add_option("--prompt", options->prompt, "text to continue");
  command->add_option("--messages", options->messages,
                      "JSON file with a list of {\"role\", \"content\"}");
  command->add_option("--input", options->input, ".jsonl file of prompts or conversations");
  command->add_option("--max-new-tokens", options->max_new_tokens, "tokens at most")
      ->capture_default_str();
  command->add_option("--temperature", options->temperature, "0: the likeliest token always")
      ->capture_default_str();
  command->add_option("--top-p", options->top_p, "smallest set of tokens with this probability")
      ->capture_default_str();
  command->add_option("--seed", options->seed, "of the sampling")->capture_default_str();
  command
      ->add_option("--chat-template", options->chat_template, "tokenizer, chatml or a Jinja file")
      ->capture_default_str();
  add_ensemble_option(*command, options->ensemble);
  command->add_flag("--json", options->json, "one JSON document on stdout");
  command->callback([options, prompt, &action] {
    options->has_prompt = prompt->count() > 0;
    action = [options] { return generate(*options); };
  });
}

}  // namespace peft
