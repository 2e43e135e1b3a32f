#include <CLI/CLI.hpp>
#include <memory>

#include "peft/cli/command.h"
#include "peft/interchange/gguf_import.h"
#include "peft/interchange/gguf_model.h"
#include "peft/util/log.h"
#include "peft/util/text.h"

namespace peft {
namespace {

struct ImportCommand {
  std::string gguf;
  std::string out;
  ImportOptions import;
  bool json = false;
};

int import_file(const ImportCommand& options) {
  check_choice("--dtype", options.import.dtype, {"bfloat16", "float16", "float32"});
  const ImportSummary summary = import_gguf(options.gguf, options.out, options.import);
  if (options.json) {
    print_json({{"out", options.out},
                {"tensors", summary.tensors},
                {"parameters", summary.parameters},
                {"tokens", summary.tokens},
                {"dtype", options.import.dtype}});
  } else {
    log_info("{}: {} parameters in {} tensors as {}, {} tokens", options.out,
             with_commas(summary.parameters), summary.tensors, options.import.dtype,
             with_commas(summary.tokens));
  }
  return 0;
}

}  // namespace

void setup_import(CLI::App& app, Action& action) {
  const auto options = std::make_shared<ImportCommand>();
  CLI::App* command =
      app.add_subcommand("import", "turn a GGUF file into a Hugging Face model folder");
  command->add_option("FILE", options->gguf, "GGUF file of " + gguf_architecture_names())
      ->required();
  command->add_option("--out", options->out, "folder to write")->required();
  command->add_option("--dtype", options->import.dtype, "bfloat16, float16 or float32")
      ->capture_default_str();
  command->add_flag("--overwrite", options->import.overwrite, "replace a folder that exists");
  command->add_flag("--json", options->json, "one JSON document on stdout");
  command->callback([options, &action] { action = [options] { return import_file(*options); }; });
}

}  // namespace peft
