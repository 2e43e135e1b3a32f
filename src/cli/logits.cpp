#include <CLI/CLI.hpp>
#include <memory>

#include "peft/cli/command.h"
#include "peft/cli/engine.h"

namespace peft {
namespace {

struct LogitsCommand {
  ModelOptions model;
  std::string tokens;
  std::string out;
};

int logits(const LogitsCommand& options) {
  check_one_adapter(options.model);
  Request request = model_request(options.model);
  request.update({{"tokens", options.tokens}, {"out", options.out}});
  return run_engine("logits", request);
}

}  // namespace

void setup_logits(CLI::App& app, Action& action) {
  const auto options = std::make_shared<LogitsCommand>();
  CLI::App* command = app.add_subcommand("logits", "write a model's logits of given token ids");
  add_model_options(*command, options->model);
  command->add_option("--tokens", options->tokens, ".jsonl rows {\"input_ids\": [...]}")
      ->required();
  command->add_option("--out", options->out, "file for the tensors logits.0, logits.1, ...")
      ->required();
  command->callback([options, &action] { action = [options] { return logits(*options); }; });
}

}  // namespace peft
