#include <CLI/CLI.hpp>
#include <memory>

#include "peft/cli/command.h"
#include "peft/config/keys.h"
#include "peft/config/run_config.h"
#include "peft/config/schema.h"
#include "peft/util/log.h"

namespace peft {
namespace {

struct ConfigCommand {
  std::string config;
  std::vector<std::string> sets;
  bool json = false;
  bool markdown = false;
};

ResolvedConfig load(const ConfigCommand& options) {
  std::vector<Override> overrides;
  for (const std::string& text : options.sets) {
    overrides.push_back(parse_override(text));
  }
  ResolvedConfig config = load_config(options.config, overrides);
  for (const std::string& note : config.notes) {
    log_info("{}", note);
  }
  return config;
}

void print_section(Section section, const ResolvedConfig& config) {
  const std::string name = section_name(section);
  const Json& values = config.values.at(name);
  const std::string type = config.values.at("adapter").at("peft_type").get<std::string>();
  print_text(name + "\n");
  for (const Key& key : keys_of(section, type)) {
    if (key.support == Support::kUsed) {
      print_text(fmt::format("  {:<28} {:<32} {}\n", key.name, values.at(key.name).dump(),
                             config.origin.at(name + "." + key.name).get<std::string>()));
    }
  }
}

int show(const ConfigCommand& options) {
  const ResolvedConfig config = load(options);
  if (options.json) {
    Json document = config.values;
    document["origin"] = config.origin;
    print_json(document);
    return 0;
  }
  for (const Section section : kSections) {
    print_section(section, config);
  }
  return 0;
}

int validate(const ConfigCommand& options) {
  const ResolvedConfig config = load(options);
  if (options.json) {
    print_json({{"config", options.config}, {"valid", true}, {"notes", config.notes}});
  } else {
    print_text(options.config + ": valid\n");
  }
  return 0;
}

int schema(const ConfigCommand& options) {
  if (options.markdown) {
    print_text(config_reference());
  } else {
    print_json(run_file_schema());
  }
  return 0;
}

void add_file_options(CLI::App& command, ConfigCommand& options) {
  command.add_option("--config", options.config, "run file (JSON)")->required();
  command.add_option("--set", options.sets, "KEY=VALUE that wins over the run file; repeatable")
      ->allow_extra_args(false)
      ->take_all();
  command.add_flag("--json", options.json, "one JSON document on stdout");
}

}  // namespace

void setup_config(CLI::App& app, Action& action) {
  CLI::App* group = app.add_subcommand("config", "look at run files");
  group->require_subcommand(1);
  const auto options = std::make_shared<ConfigCommand>();
  const auto add = [&](const char* name, const char* text, int (*run)(const ConfigCommand&)) {
    CLI::App* command = group->add_subcommand(name, text);
    command->callback(
        [options, run, &action] { action = [options, run] { return run(*options); }; });
    return command;
  };
  add_file_options(*add("show", "print every key with its value and where it came from", show),
                   *options);
  add_file_options(*add("validate", "check a run file without running it", validate), *options);
  setup_config_migrate(*group, action);
  CLI::App* schema_command = add("schema", "print the JSON Schema of run files", schema);
  schema_command->add_flag("--markdown", options->markdown, "the reference page instead");
  schema_command->add_flag("--json", options->json, "JSON, which it is anyway");
}

}  // namespace peft
