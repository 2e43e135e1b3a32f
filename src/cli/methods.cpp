#include "peft/config/methods.h"

#include <CLI/CLI.hpp>
#include <memory>

#include "peft/cli/command.h"
#include "peft/config/method_sizes.h"
#include "peft/config/run_config.h"
#include "peft/io/hf_directory.h"
#include "peft/util/text.h"

namespace peft {
namespace {

struct MethodsCommand {
  std::string model;
  bool allow_pickle = false;
  bool json = false;
};

/// Sizes of a method with a run file's defaults on a model, from the files' headers alone. A method
/// that finds nothing to train on this model has none.
void add_sizes(const Method& method, const ModelSizes& model, int64_t model_bytes, Json& entry) {
  const Json minimal = {
      {"model", "-"}, {"data", "-"}, {"adapter", method.name}, {"training", {{"output_dir", "-"}}}};
  const Json adapter = resolve_config(minimal, {}, "defaults", {}).values.at("adapter");
  const MethodSizes sizes = method_sizes(method, adapter, model);
  if (sizes.trainable == 0) {
    return;
  }
  const bool in_place = method.kind == "selective";
  const int64_t all = model.parameters + (in_place ? 0 : sizes.trainable);
  entry["trainable_parameters"] = sizes.trainable;
  entry["share"] = static_cast<double>(sizes.trainable) / static_cast<double>(all);
  entry["adapter_bytes"] = 4 * sizes.stored;  // float32
  // Weights as stored; adapter, its gradient and AdamW's two moments. Activations come on top.
  entry["training_memory_bytes"] = model_bytes + 16 * sizes.trainable;
}

Json method_entry(const Method& method, const std::optional<ModelSizes>& model,
                  int64_t model_bytes) {
  Json entry = {{"name", method.name},
                {"peft_type", method.peft_type},
                {"kind", method.kind},
                {"summary", method.summary},
                {"trainable_parameters", nullptr},
                {"share", nullptr},
                {"mergeable", method.mergeable},
                {"served_by", method.served_by},
                {"adapter_bytes", nullptr},
                {"training_memory_bytes", nullptr},
                {"learning_rate", method.learning_rate}};
  if (model) {
    add_sizes(method, *model, model_bytes, entry);
  }
  return entry;
}

/// "PEFT, vLLM, and by any server once merged" and the like.
std::string serving(const Json& entry) {
  const auto programs = entry["served_by"].get<std::vector<std::string>>();
  if (!entry["mergeable"].get<bool>()) {
    return (programs.empty() ? "this program" : join(programs, ", ")) + "; cannot be merged";
  }
  return (programs.empty() ? "" : join(programs, ", ") + ", and by ") + "any server once merged";
}

void print_entry(const Json& entry, bool sized) {
  print_text(fmt::format("{:<14} {}: {}\n{:<14} served by {}; learning rate {}\n",
                         entry["name"].get<std::string>(), entry["kind"].get<std::string>(),
                         entry["summary"].get<std::string>(), "", serving(entry),
                         entry["learning_rate"].dump()));
  if (entry["trainable_parameters"].is_number()) {
    print_text(fmt::format(
        "{:<14} {} trainable parameters ({:.3g} %), adapter {}, at least {} to train without "
        "activations\n",
        "", with_commas(entry["trainable_parameters"].get<int64_t>()),
        100.0 * entry["share"].get<double>(), human_bytes(entry["adapter_bytes"].get<int64_t>()),
        human_bytes(entry["training_memory_bytes"].get<int64_t>())));
  } else if (sized) {
    print_text(fmt::format("{:<14} nothing to train on this model\n", ""));
  }
}

int list_methods(const MethodsCommand& options) {
  std::optional<ModelSizes> model;
  int64_t model_bytes = 0;
  if (!options.model.empty()) {
    const HfDirectory directory(options.model, pickled_weights(options.allow_pickle));
    model = model_sizes(directory);
    model_bytes = directory.total_bytes();
  }
  Json list = Json::array();
  for (const Method& method : methods()) {
    list.push_back(method_entry(method, model, model_bytes));
  }
  if (options.json) {
    print_json(list);
    return 0;
  }
  for (const Json& entry : list) {
    print_entry(entry, model.has_value());
  }
  return 0;
}

}  // namespace

void setup_methods(CLI::App& app, Action& action) {
  const auto options = std::make_shared<MethodsCommand>();
  CLI::App* command = app.add_subcommand("methods", "list the methods");
  command->add_option("--model", options->model, "model folder, for sizes with default settings");
  add_pickle_option(*command, options->allow_pickle);
  command->add_flag("--json", options->json, "one JSON document on stdout");
  command->callback([options, &action] { action = [options] { return list_methods(*options); }; });
}

}  // namespace peft
