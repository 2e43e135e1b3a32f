#include <CLI/CLI.hpp>
#include <memory>
#include <optional>

#include "peft/cli/command.h"
#include "peft/cli/engine.h"
#include "peft/config/keys.h"
#include "peft/config/names.h"
#include "peft/util/pattern.h"

namespace peft {
namespace {

struct EvalCommand {
  ModelOptions model;
  std::vector<std::string> data;
  std::string format = "auto";
  std::optional<int64_t> max_length;
  std::string train_on = "assistant";
  std::string chat_template = "tokenizer";
  std::optional<int64_t> limit;
  std::optional<int64_t> batch_tokens;
  bool compare = false;
  std::string fail_if;
  int64_t generate = 0;
  std::string match;
  int64_t shots = 0;
  std::string shots_from;
  std::string ensemble;
  bool json = false;
};

Json at_least(const std::string& flag, const std::optional<int64_t>& value, int64_t least) {
  if (!value) {
    return nullptr;
  }
  check_at_least(flag, *value, least);
  return *value;
}

void check_match(const EvalCommand& options) {
  check<UsageError>(options.match.empty() || options.generate > 0, "--match: needs --generate N");
  try {
    const Pattern compiled(options.match);
  } catch (const std::invalid_argument& problem) {
    fail<UsageError>("--match: {}", problem.what());
  }
}

int eval(const EvalCommand& options) {
  Request request = model_request(options.model);
  check_choice("--format", options.format, find_key(Section::kData, "format")->key->choices);
  check_choice("--train-on", options.train_on, find_key(Section::kData, "train_on")->key->choices);
  check_at_least("--generate", options.generate, 0);
  check_match(options);
  check_at_least("--shots", options.shots, 0);
  check<UsageError>((options.shots > 0) == !options.shots_from.empty(),
                    "--shots N and --shots-from FILE belong together");
  check<UsageError>(options.ensemble.empty() || options.generate > 0,
                    "--ensemble: needs --generate N");
  check<UsageError>(!options.compare || !options.model.adapters.empty(),
                    "--compare: needs --adapter DIR, to be compared with its base");
  request.update({{"data", options.data},
                  {"format", options.format},
                  {"max_length", at_least("--max-length", options.max_length, 2)},
                  {"train_on", options.train_on},
                  {"chat_template", options.chat_template},
                  {"columns", Json::object()},
                  {"limit", at_least("--limit", options.limit, 1)},
                  {"batch_tokens", at_least("--batch-tokens", options.batch_tokens, 1)},
                  {"compare", options.compare},
                  {"fail_if", text_or_null(options.fail_if)},
                  {"generate", options.generate},
                  {"match", text_or_null(options.match)},
                  {"shots", options.shots},
                  {"shots_from", text_or_null(options.shots_from)},
                  {"ensemble", ensemble_request(options.ensemble, options.model)},
                  {"json", options.json}});
  return run_engine("eval", request);
}

}  // namespace

void setup_eval(CLI::App& app, Action& action) {
  const auto options = std::make_shared<EvalCommand>();
  CLI::App* command = app.add_subcommand("eval", "judge a model or an adapter on held-out rows");
  add_model_options(*command, options->model);
  command->add_option("--data", options->data, ".jsonl or .json files")->required()->take_all();
  command->add_option("--format", options->format, "shape of the rows")->capture_default_str();
  command->add_option("--max-length", options->max_length, "tokens of a row that are kept");
  command->add_option("--train-on", options->train_on, "tokens that are scored")
      ->capture_default_str();
  command
      ->add_option("--chat-template", options->chat_template, "tokenizer, chatml or a Jinja file")
      ->capture_default_str();
  command->add_option("--limit", options->limit, "first so many rows of each file");
  command->add_option("--batch-tokens", options->batch_tokens, "tokens of one forward pass");
  command->add_flag("--compare", options->compare, "judge the base beside the adapter");
  command->add_option("--fail-if", options->fail_if, "exit with 9 if it holds, as in \"loss>1.9\"");
  command->add_option("--generate", options->generate,
                      "answer every row with at most so many tokens and count exact matches");
  command->add_option("--match", options->match,
                      "count the generated answers that this regular expression matches whole");
  command->add_option("--shots", options->shots,
                      "judge the base with so many solved rows in its context, too");
  command->add_option("--shots-from", options->shots_from, "file whose first rows these are");
  add_ensemble_option(*command, options->ensemble);
  command->add_flag("--json", options->json, "one JSON document on stdout");
  command->callback([options, &action] { action = [options] { return eval(*options); }; });
}

}  // namespace peft
