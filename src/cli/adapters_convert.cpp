#include <CLI/CLI.hpp>
#include <memory>

#include "peft/cli/command.h"
#include "peft/cli/engine.h"

namespace peft {
namespace {

struct AdaptersConvertCommand {
  std::string adapter;
  std::string out;
  std::string to = "lora";
  std::string model;
  int64_t rank = 0;
  int64_t threads = 0;
  bool overwrite = false;
  bool allow_pickle = false;
  bool json = false;
};

int convert(const CLI::App& command, const AdaptersConvertCommand& options) {
  check_choice("--to", options.to, {"lora"});
  check_at_least("--rank", options.rank, command.count("--rank") > 0 ? 1 : 0);
  check_at_least("--threads", options.threads, 0);
  return run_engine("adapters convert", {{"adapter", options.adapter},
                                         {"out", options.out},
                                         {"model", text_or_null(options.model)},
                                         {"rank", options.rank},
                                         {"overwrite", options.overwrite},
                                         {"allow_pickle", options.allow_pickle},
                                         {"json", options.json},
                                         {"threads", options.threads}});
}

}  // namespace

void setup_adapters_convert(CLI::App& group, Action& action) {
  const auto options = std::make_shared<AdaptersConvertCommand>();
  CLI::App* command = group.add_subcommand(
      "convert", "write an adapter as a plain LoRA: exactly, or as near as a rank allows");
  command->add_option("DIR", options->adapter, "adapter folder")->required();
  command->add_option("--out", options->out, "new adapter folder")->required();
  command->add_option("--to", options->to, "lora")->capture_default_str();
  command->add_option("--model", options->model,
                      "base folder, where the base decides; left out: what the adapter records");
  command->add_option("--rank", options->rank,
                      "largest rank of a module; left out: the adapter's own, or 16");
  command->add_option("--threads", options->threads, "0: the machine's");
  command->add_flag("--overwrite", options->overwrite, "replace a folder that exists");
  add_pickle_option(*command, options->allow_pickle);
  command->add_flag("--json", options->json, "one JSON document on stdout");
  command->callback([options, command, &action] {
    action = [options, command] { return convert(*command, *options); };
  });
}

}  // namespace peft
