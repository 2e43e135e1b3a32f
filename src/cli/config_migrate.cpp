#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>

#include "peft/cli/command.h"
#include "peft/interchange/migrate.h"
#include "peft/util/durable_file.h"
#include "peft/util/log.h"
#include "peft/util/text.h"

namespace peft {
namespace {

struct ConfigMigrateCommand {
  std::string tool;
  std::string file;
  std::string output;
  bool overwrite = false;
  bool strict = false;
};

void report(const Migration& migration) {
  for (const std::string& line : migration.changed) {
    log_info("changed: {}", line);
  }
  if (!migration.defaults.empty()) {
    log_info("{}", migration.defaults);
  }
  for (const std::string& line : migration.left) {
    log_warning("not translated: {}", line);
  }
}

int migrate(const ConfigMigrateCommand& options) {
  check_choice("--from", options.tool, migration_tools());
  const Migration migration = migrate_config(options.file, options.tool);
  report(migration);
  check<CheckFailed>(!options.strict || migration.left.empty(),
                     "--strict: {} of {}'s keys could not be translated; nothing was written",
                     migration.left.size(), options.file);
  if (options.output.empty()) {
    print_json(migration.config);
    return 0;
  }
  check<UsageError>(options.overwrite || !std::filesystem::exists(options.output),
                    "{}: exists already; choose another file or give --overwrite", options.output);
  write_file(options.output, migration.config.dump(2) + "\n");
  log_info("wrote {}; `peft config show --config {}` prints every key", options.output,
           options.output);
  return 0;
}

}  // namespace

void setup_config_migrate(CLI::App& group, Action& action) {
  const auto options = std::make_shared<ConfigMigrateCommand>();
  CLI::App* command =
      group.add_subcommand("migrate", "translate another tool's config into a run file");
  command->add_option("FILE", options->file, "the other tool's config, YAML or .json")->required();
  command->add_option("--from", options->tool, join(migration_tools(), ", "))->required();
  command->add_option("--output", options->output, "file to write; left out: stdout");
  command->add_flag("--overwrite", options->overwrite, "replace a file that exists");
  command->add_flag("--strict", options->strict, "fail with 9 when a key could not be translated");
  command->callback([options, &action] { action = [options] { return migrate(*options); }; });
}

}  // namespace peft
