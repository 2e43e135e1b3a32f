#include <CLI/CLI.hpp>
#include <memory>

#include "data_options.h"
#include "peft/cli/command.h"
#include "peft/data/inspect.h"

namespace peft {
namespace {

int run_tokenize(const DataFlags& flags) {
  DataCommand command = data_command(flags);
  command.options.refuses = true;
  check<UsageError>(!command.options.cache.empty(), "data.cache is off; tokens are kept nowhere");
  command.options.cache_from = 0;
  Json sets = {{"train", nullptr}, {"eval", nullptr}};
  for (const auto& [name, sources] :
       {std::pair{"train", &command.train}, {"eval", &command.eval}}) {
    if (sources->empty()) {
      continue;
    }
    const Dataset set = sources == &command.train
                            ? training_rows(command)
                            : load_dataset(*sources, command.options, command.model.pipeline());
    sets[name] = report_json(set.report);
    if (!flags.json) {
      print_text(show_report(set.report));
    }
  }
  if (flags.json) {
    print_json(sets);
  }
  return 0;
}

}  // namespace

void setup_data_tokenize(CLI::App& group, Action& action) {
  const auto flags = std::make_shared<DataFlags>();
  CLI::App* command = group.add_subcommand(
      "tokenize", "tokenise the rows into data.cache, where training finds them, however few");
  add_data_flags(*command, *flags);
  command->callback([flags, &action] { action = [flags] { return run_tokenize(*flags); }; });
}

}  // namespace peft
