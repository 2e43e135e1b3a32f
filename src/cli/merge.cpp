#include <CLI/CLI.hpp>
#include <memory>

#include "peft/cli/command.h"
#include "peft/cli/engine.h"

namespace peft {
namespace {

struct MergeCommand {
  std::string adapter;
  std::string out;
  std::string model;
  std::string dtype = "auto";
  std::string verify = "probe";
  int64_t threads = 0;
  bool overwrite = false;
  bool any_base = false;
  bool allow_pickle = false;
  bool json = false;
};

int merge(const MergeCommand& options) {
  check_choice("--dtype", options.dtype, {"auto", "float32", "bfloat16", "float16"});
  check_choice("--verify", options.verify, {"probe", "full", "none"});
  check_at_least("--threads", options.threads, 0);
  return run_engine("merge", {{"adapter", options.adapter},
                              {"out", options.out},
                              {"model", text_or_null(options.model)},
                              {"dtype", options.dtype},
                              {"verify", options.verify},
                              {"threads", options.threads},
                              {"overwrite", options.overwrite},
                              {"any_base", options.any_base},
                              {"allow_pickle", options.allow_pickle},
                              {"json", options.json}});
}

}  // namespace

void setup_merge(CLI::App& app, Action& action) {
  const auto options = std::make_shared<MergeCommand>();
  CLI::App* command = app.add_subcommand("merge", "fold an adapter into its base");
  command->add_option("--adapter", options->adapter, "adapter folder")->required();
  command->add_option("--out", options->out, "new model folder")->required();
  command->add_option("--model", options->model, "base folder; left out: what the adapter records");
  command->add_option("--dtype", options->dtype, "type of the weights; auto: the base's")
      ->capture_default_str();
  command
      ->add_option("--verify", options->verify,
                   "compare merged and unmerged logits: probe (if memory allows), full, none")
      ->capture_default_str();
  command->add_option("--threads", options->threads, "0: the machine's");
  command->add_flag("--overwrite", options->overwrite, "replace a folder that exists");
  command->add_flag("--any-base", options->any_base,
                    "merge into another base than the recorded one");
  add_pickle_option(*command, options->allow_pickle);
  command->add_flag("--json", options->json, "one JSON document on stdout");
  command->callback([options, &action] { action = [options] { return merge(*options); }; });
}

}  // namespace peft
