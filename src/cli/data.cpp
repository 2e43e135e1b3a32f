#include <CLI/CLI.hpp>
#include <memory>

#include "peft/cli/command.h"
#include "peft/cli/model_text.h"
#include "peft/config/data_config.h"
#include "peft/config/names.h"
#include "peft/config/run_config.h"
#include "peft/data/inspect.h"
#include "peft/util/log.h"

namespace peft {
namespace {

struct DataShowCommand {
  std::string config;
  std::vector<std::string> sets;
  std::string model;
  std::vector<std::string> data;
  std::string format, train_on, chat_template;
  int64_t max_length = 0;
  int64_t count = 3;
  bool ids = false;
  bool json = false;
};

/// The run file, or one made of the flags: both are then read by the same rules.
ResolvedConfig data_config(const DataShowCommand& options) {
  std::vector<Override> overrides;
  for (const std::string& text : options.sets) {
    overrides.push_back(parse_override(text));
  }
  const auto add = [&](const char* name, const Json& value, bool given) {
    if (given) {
      overrides.push_back({name, value});
    }
  };
  add("model.name_or_path", options.model, !options.model.empty());
  add("data.train", options.data, !options.data.empty());
  add("data.format", options.format, !options.format.empty());
  add("data.train_on", options.train_on, !options.train_on.empty());
  add("data.chat_template", options.chat_template, !options.chat_template.empty());
  add("data.max_length", options.max_length, options.max_length != 0);
  if (!options.config.empty()) {
    return load_config(options.config, overrides);
  }
  check<UsageError>(!options.model.empty() && !options.data.empty(),
                    "expected --config RUN.json, or --model DIR and --data FILE");
  const Json unused = {{"training", {{"output_dir", "-"}}}};
  return resolve_config(unused, {}, "flags", overrides);
}

/// As training does: the default length gives way to the model's positions.
DataOptions options_for(const ResolvedConfig& config, const ModelText& model) {
  DataOptions options = data_options(config.values.at("data"));
  if (!model.positions || options.max_length <= *model.positions) {
    return options;
  }
  check<UsageError>(config.origin.at("data.max_length") == "default",
                    "data.max_length: {} is beyond the model's {} positions", options.max_length,
                    *model.positions);
  log_info("data.max_length: {} instead of {}, the model has no more positions", *model.positions,
           options.max_length);
  options.max_length = *model.positions;
  return options;
}

int show(const DataShowCommand& options) {
  check_at_least("-n", options.count, 0);
  const ResolvedConfig config = data_config(options);
  const Json& data = config.values.at("data");
  const ModelText model =
      read_model_text(config.values.at("model").at("name_or_path").get<std::string>(),
                      data.at("chat_template").get<std::string>());
  const Dataset set =
      load_dataset(data_sources(data.at("train")), options_for(config, model), model.pipeline());
  const ShowOptions style{.colour = stdout_takes_colour(), .ids = options.ids, .files = set.files};
  const auto shown = std::min(set.examples.size(), static_cast<size_t>(options.count));
  Json examples = Json::array();
  std::string text = show_report(set.report);
  for (size_t i = 0; i < shown; ++i) {
    if (options.json) {
      examples.push_back(example_json(set.examples[i], *model.tokenizer, style));
    } else {
      text += "\n" + show_example(set.examples[i], *model.tokenizer, style);
    }
  }
  if (options.json) {
    print_json({{"report", report_json(set.report)}, {"examples", std::move(examples)}});
  } else {
    print_text(text);
  }
  return 0;
}

}  // namespace

void setup_data(CLI::App& app, Action& action) {
  CLI::App* group = app.add_subcommand("data", "look at training data");
  group->require_subcommand(1);
  const auto options = std::make_shared<DataShowCommand>();
  CLI::App* command = group->add_subcommand("show",
                                            "print rows as the model sees them, with what "
                                            "is trained between marks or in colour");
  command->add_option("--config", options->config, "run file (JSON)");
  command->add_option("--set", options->sets, "KEY=VALUE that wins over the run file; repeatable")
      ->allow_extra_args(false)
      ->take_all();
  command->add_option("--model", options->model, "model folder");
  command->add_option("--data", options->data, ".jsonl or .json files")->take_all();
  command->add_option("--format", options->format, "shape of the rows");
  command->add_option("--train-on", options->train_on, "tokens that are scored");
  command->add_option("--chat-template", options->chat_template,
                      "tokenizer, chatml or a Jinja file");
  command->add_option("--max-length", options->max_length, "tokens of a row that are kept");
  command->add_option("-n", options->count, "rows to print")->capture_default_str();
  command->add_flag("--ids", options->ids, "one line per token with its id");
  command->add_flag("--json", options->json, "one JSON document on stdout");
  command->callback([options, &action] { action = [options] { return show(*options); }; });
}

}  // namespace peft
