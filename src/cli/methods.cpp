#include "peft/config/methods.h"

#include <CLI/CLI.hpp>
#include <memory>

#include "peft/cli/command.h"
#include "peft/config/run_config.h"
#include "peft/io/hf_directory.h"
#include "peft/util/text.h"

namespace peft {
namespace {

struct MethodsCommand {
  std::string model;
  bool json = false;
};

/// The linear layers inside the blocks, which all-linear targets. Matrices of embeddings and of the
/// head stand outside them.
std::vector<std::vector<int64_t>> linear_shapes(const HfDirectory& model) {
  std::vector<std::vector<int64_t>> shapes;
  for (const auto& [name, info] : model.tensors()) {
    const bool in_block = name.find("layers.") != std::string::npos || name.starts_with("h.") ||
                          name.find(".h.") != std::string::npos;
    if (in_block && name.ends_with(".weight") && info.shape.size() == 2) {
      shapes.push_back(info.shape);
    }
  }
  return shapes;
}

/// Sizes of a method with a run file's defaults on a model, from the files' headers alone.
void add_sizes(const Method& method, const HfDirectory& model, Json& entry) {
  const Json minimal = {
      {"model", "-"}, {"data", "-"}, {"adapter", method.name}, {"training", {{"output_dir", "-"}}}};
  const Json adapter = resolve_config(minimal, {}, "defaults", {}).values.at("adapter");
  int64_t parameters = 0;
  for (const std::vector<int64_t>& shape : linear_shapes(model)) {
    parameters += method.parameters(adapter, shape[0], shape[1]);
  }
  const int64_t bytes = 4 * parameters;  // float32
  entry["trainable_parameters"] = parameters;
  entry["share"] =
      static_cast<double>(parameters) / static_cast<double>(parameters + model.total_elements());
  entry["adapter_bytes"] = bytes;
  // Weights as stored; adapter, its gradient and AdamW's two moments. Activations come on top.
  entry["training_memory_bytes"] = model.total_bytes() + 4 * bytes;
}

Json method_entry(const Method& method, const std::optional<HfDirectory>& model) {
  Json entry = {{"name", method.name},
                {"peft_type", method.peft_type},
                {"kind", method.kind},
                {"summary", method.summary},
                {"trainable_parameters", nullptr},
                {"share", nullptr},
                {"mergeable", method.mergeable},
                {"adapter_bytes", nullptr},
                {"training_memory_bytes", nullptr},
                {"learning_rate", method.learning_rate}};
  if (model) {
    add_sizes(method, *model, entry);
  }
  return entry;
}

void print_entry(const Json& entry) {
  print_text(fmt::format("{:<10} {}; {}, learning rate {}\n", entry["name"].get<std::string>(),
                         entry["summary"].get<std::string>(),
                         entry["mergeable"].get<bool>() ? "can be merged" : "cannot be merged",
                         entry["learning_rate"].dump()));
  if (entry["trainable_parameters"].is_number()) {
    print_text(fmt::format(
        "{:<10} {} trainable parameters ({:.2f} %), adapter {}, at least {} to "
        "train without activations\n",
        "", with_commas(entry["trainable_parameters"].get<int64_t>()),
        100.0 * entry["share"].get<double>(), human_bytes(entry["adapter_bytes"].get<int64_t>()),
        human_bytes(entry["training_memory_bytes"].get<int64_t>())));
  }
}

int list_methods(const MethodsCommand& options) {
  std::optional<HfDirectory> model;
  if (!options.model.empty()) {
    model.emplace(options.model);
  }
  Json list = Json::array();
  for (const Method& method : methods()) {
    list.push_back(method_entry(method, model));
  }
  if (options.json) {
    print_json(list);
    return 0;
  }
  for (const Json& entry : list) {
    print_entry(entry);
  }
  return 0;
}

}  // namespace

void setup_methods(CLI::App& app, Action& action) {
  const auto options = std::make_shared<MethodsCommand>();
  CLI::App* command = app.add_subcommand("methods", "list the methods");
  command->add_option("--model", options->model, "model folder, for sizes with default settings");
  command->add_flag("--json", options->json, "one JSON document on stdout");
  command->callback([options, &action] { action = [options] { return list_methods(*options); }; });
}

}  // namespace peft
