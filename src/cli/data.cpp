#include <CLI/CLI.hpp>
#include <memory>

#include "data_options.h"
#include "peft/cli/command.h"
#include "peft/data/inspect.h"

namespace peft {
namespace {

struct DataShowCommand {
  DataFlags data;
  int64_t count = 3;
  bool ids = false;
};

int show(const DataShowCommand& options) {
  check_at_least("-n", options.count, 0);
  DataCommand command = data_command(options.data);
  command.options.keep_cut = static_cast<size_t>(options.count);
  const Dataset set = training_rows(command);
  const ShowOptions style{.colour = stdout_takes_colour(),
                          .ids = options.ids,
                          .files = set.files,
                          .cut_off = set.cut_off,
                          .label_names = set.label_names,
                          .task = command.task.task};
  const auto shown = std::min(set.examples.size(), static_cast<size_t>(options.count));
  Json examples = Json::array();
  std::string text = show_report(set.report);
  for (size_t i = 0; i < shown; ++i) {
    if (options.data.json) {
      examples.push_back(example_json(set.examples[i], *command.model.tokenizer, style));
    } else {
      text += "\n" + show_example(set.examples[i], *command.model.tokenizer, style);
    }
  }
  if (options.data.json) {
    print_json({{"report", report_json(set.report)}, {"examples", std::move(examples)}});
  } else {
    print_text(text);
  }
  check<DataError>(set.report.refusals.empty(), "{}",
                   set.report.refusals.empty() ? "" : set.report.refusals.front());
  return 0;
}

}  // namespace

void setup_data(CLI::App& app, Action& action) {
  CLI::App* group = app.add_subcommand("data", "look at training data");
  group->require_subcommand(1);
  const auto options = std::make_shared<DataShowCommand>();
  CLI::App* command = group->add_subcommand(
      "show",
      "print rows as the model sees them: what is trained, masked and dropped, between marks or "
      "in colour");
  add_data_flags(*command, options->data);
  command->add_option("-n", options->count, "rows to print")->capture_default_str();
  command->add_flag("--ids", options->ids, "one line per token with its id");
  command->callback([options, &action] { action = [options] { return show(*options); }; });
  setup_data_check(*group, action);
  setup_data_stats(*group, action);
  setup_data_tokenize(*group, action);
}

}  // namespace peft
