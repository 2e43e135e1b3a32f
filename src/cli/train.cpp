#include <unistd.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "peft/cli/command.h"
#include "peft/cli/engine.h"
#include "peft/config/run_config.h"
#include "peft/util/log.h"

namespace peft {
namespace {

struct TrainCommand {
  std::string config;
  std::vector<std::string> sets;
  std::vector<std::string> assignments;
  std::string device = "auto";
  int64_t threads = 0;
  bool overwrite = false;
  bool no_progress = false;
  bool dry_run = false;
  bool allow_pickle = false;
  std::string resume;
  std::string skip_bad;
  std::vector<std::string> allow_changed;
};

int train(const TrainCommand& options) {
  check_device_options(options.device, options.threads);
  std::vector<Override> overrides;
  for (const auto& list : {options.sets, options.assignments}) {
    for (const std::string& text : list) {
      overrides.push_back(parse_override(text));
    }
  }
  if (!options.resume.empty()) {
    overrides.push_back({"training.resume_from_checkpoint", options.resume});
  }
  if (options.allow_pickle) {
    overrides.push_back({"model.allow_pickle", true});
  }
  if (!options.skip_bad.empty()) {
    overrides.push_back({"data.skip_bad", share_of("--skip-bad", options.skip_bad)});
  }
  const ResolvedConfig config = load_config(options.config, overrides);
  for (const std::string& note : config.notes) {
    log_info("{}", note);
  }
  return run_engine("train", {{"config", config.values},
                              {"origin", config.origin},
                              {"config_file", options.config},
                              {"device", options.device},
                              {"threads", options.threads},
                              {"overwrite", options.overwrite},
                              {"dry_run", options.dry_run},
                              {"allow_changed", options.allow_changed},
                              {"progress", !options.no_progress},
                              {"terminal", ::isatty(STDERR_FILENO) == 1},
                              {"version", PEFT_VERSION}});
}

}  // namespace

void setup_train(CLI::App& app, Action& action) {
  const auto options = std::make_shared<TrainCommand>();
  CLI::App* command = app.add_subcommand("train", "fine-tune a model with an adapter");
  command->add_option("--config", options->config, "run file (JSON)")->required();
  command->add_option("--set", options->sets, "KEY=VALUE that wins over the run file; repeatable")
      ->allow_extra_args(false)
      ->take_all();
  command->add_option("KEY=VALUE", options->assignments, "the same without --set")->take_all();
  add_device_options(*command, options->device, options->threads);
  add_pickle_option(*command, options->allow_pickle);
  command->add_option(
      "--resume", options->resume,
      "auto: go on where this run stopped (the default); never; or a checkpoint's folder");
  command
      ->add_option("--allow-changed", options->allow_changed,
                   "FIELD that may differ from the run that is resumed; repeatable")
      ->allow_extra_args(false)
      ->take_all();
  command->add_option("--skip-bad", options->skip_bad,
                      "N% of the rows may break their shape; they are passed over and listed");
  command->add_flag("--dry-run", options->dry_run,
                    "everything up to the first step, then stop; nothing is written");
  command->add_flag("--overwrite", options->overwrite,
                    "start over in an output folder that holds a run");
  command->add_flag("--no-progress", options->no_progress, "plain lines instead of a bar");
  command->callback([options, &action] { action = [options] { return train(*options); }; });
}

}  // namespace peft
