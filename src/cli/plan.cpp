#include <CLI/CLI.hpp>
#include <memory>

#include "calibration.h"
#include "peft/cli/command.h"
#include "peft/cli/model_text.h"
#include "peft/config/data_config.h"
#include "peft/config/run_config.h"
#include "peft/config/run_task.h"
#include "peft/plan/machine_memory.h"
#include "peft/plan/run_plan.h"
#include "peft/util/log.h"
#include "peft/util/text.h"

namespace peft {
namespace {

struct PlanCommand {
  std::string config;
  std::vector<std::string> sets;
  std::vector<std::string> assignments;
  std::string device = "auto";
  int64_t threads = 0;
  bool modules = false;
  bool calibrate = false;
  bool allow_pickle = false;
  bool json = false;
};

ResolvedConfig config_of(const PlanCommand& options) {
  std::vector<Override> overrides;
  for (const auto& list : {options.sets, options.assignments}) {
    for (const std::string& text : list) {
      overrides.push_back(parse_override(text));
    }
  }
  if (options.allow_pickle) {
    overrides.push_back({"model.allow_pickle", true});
  }
  return load_config(options.config, overrides);
}

/// Device memory when a GPU is going to be used, else the host's.
PlanInput input_of(const PlanCommand& options, const HfDirectory& directory, const Dataset& train,
                   const std::vector<Example>& held_out) {
  PlanInput input{directory, train, held_out};
  const int64_t device = options.device == "cpu" ? 0 : gpu_memory();
  check<UsageError>(device > 0 || !options.device.starts_with("cuda"),
                    "--device {}: no GPU answers; use --device cpu", options.device);
  input.on_gpu = device > 0;
  input.available = input.on_gpu ? device : available_memory();
  return input;
}

std::string shape_line(const RunPlan& plan) {
  return fmt::format("{} on {} modules: {} of {} parameters train ({:.2f} %), base in {}\n",
                     plan.model.model_type, plan.adapter.targets.size(),
                     with_commas(plan.adapter.parameters), with_commas(plan.total_parameters()),
                     100.0 * static_cast<double>(plan.adapter.parameters) /
                         static_cast<double>(plan.total_parameters()),
                     dtype_name(plan.shape.dtype));
}

std::string memory_table(const MemoryPlan& memory) {
  const std::pair<const char*, int64_t> parts[] = {
      {"weights", memory.weights},
      {"adapter", memory.adapter},
      {"gradients", memory.gradients},
      {"optimizer", memory.optimizer},
      {"activations", memory.activations},
      {"loss: logits and hidden states", memory.loss},
      {"kernels", memory.kernels},
      {"rows and tokenizer", memory.data},
      {"program and libraries", memory.process},
      {"margin", memory.margin},
      {"together", memory.total()},
  };
  std::string text;
  for (const auto& [name, bytes] : parts) {
    text += fmt::format("  {:<32}{:>10}\n", name, human_bytes(bytes));
  }
  return text;
}

std::string text_of(const RunPlan& plan) {
  return shape_line(plan) +
         fmt::format("{} steps of {} x {} rows, {} tokens ({} scored), at most {} tokens at once\n",
                     with_commas(plan.steps), plan.batch.batch_size, plan.batch.accumulation,
                     with_commas(plan.tokens), with_commas(plan.scored_tokens),
                     with_commas(plan.shape.tokens)) +
         "memory\n" + memory_table(plan.memory) +
         fmt::format("disk {}\n{}\n", human_bytes(plan.disk_bytes), plan_line(plan));
}

/// With the time that the run takes at the rate of a few steps.
int print_calibrated(const PlanCommand& options, const ResolvedConfig& config,
                     const RunPlan& plan) {
  const Calibration measured =
      calibrate(config.values, config.origin, plan.steps, options.device, options.threads);
  if (measured.exit_code != 0) {
    return measured.exit_code;
  }
  const double seconds = static_cast<double>(plan.tokens) / measured.tokens_per_second;
  if (options.json) {
    Json json = plan_json(plan);
    json["tokens_per_second"] = measured.tokens_per_second;
    json["seconds"] = seconds;
    print_json(json);
  } else {
    print_text(text_of(plan) +
               fmt::format("time about {} at {:.0f} tokens per second, measured over {} steps; "
                           "evaluations and checkpoints come on top\n",
                           human_seconds(seconds), measured.tokens_per_second, measured.steps));
  }
  return 0;
}

/// One object per adapted module.
Json modules_json(const AdapterSizes& adapter) {
  Json list = Json::array();
  for (const PlannedTarget& target : adapter.targets) {
    list.push_back({{"module", target.linear.path},
                    {"in", target.linear.in},
                    {"out", target.linear.out},
                    {"rank", target.rank},
                    {"trainable_parameters", target.parameters}});
  }
  return list;
}

std::string modules_text(const AdapterSizes& adapter) {
  std::string text;
  for (const PlannedTarget& target : adapter.targets) {
    text +=
        fmt::format("{}  {} x {}, rank {}, {} parameters\n", target.linear.path, target.linear.out,
                    target.linear.in, target.rank, with_commas(target.parameters));
  }
  return text;
}

int plan(const PlanCommand& options) {
  check_device_options(options.device, options.threads);
  ResolvedConfig config = config_of(options);
  const std::string base = config.values.at("model").at("name_or_path").get<std::string>();
  HfDirectory directory(base,
                        pickled_weights(config.values.at("model").at("allow_pickle").get<bool>()));
  const RunTask task = settle_task(config.values, config.origin, directory.config());
  if (options.modules) {
    const AdapterSizes adapter = adapter_sizes(model_sizes(directory), config.values["adapter"]);
    options.json ? print_json(modules_json(adapter)) : print_text(modules_text(adapter));
    return 0;
  }
  Json& data = config.values["data"];
  const ModelText text = read_model_text(base, data.at("chat_template").get<std::string>());
  if (text.positions && config.origin.value("data.max_length", "default") == "default") {
    data["max_length"] = std::min(data.at("max_length").get<int64_t>(), *text.positions);
  }
  DataOptions options_of_data = data_options(data, task);
  Dataset train = load_dataset(data_sources(data.at("train")), options_of_data, text.pipeline());
  if (task.needs_head()) {
    settle_labels(train, config.values["model"].at("num_labels"));
    give_class_head(directory, config.values["model"].at("num_labels"), train.label_names);
  }
  options_of_data.label_names = train.label_names;
  std::vector<Example> held_out;
  if (!data.at("eval").is_null()) {
    held_out = load_dataset(data_sources(data.at("eval"), /*held_out=*/true), options_of_data,
                            text.pipeline())
                   .examples;
  } else {
    held_out = split_off(train, data.at("eval_split_ratio").get<double>(),
                         config.values["training"].at("seed").get<uint64_t>());
  }
  const RunPlan plan =
      plan_run(config.values, config.origin, input_of(options, directory, train, held_out));
  if (options.calibrate) {
    return print_calibrated(options, config, plan);
  }
  options.json ? print_json(plan_json(plan)) : print_text(text_of(plan));
  return 0;
}

}  // namespace

void setup_plan(CLI::App& app, Action& action) {
  const auto options = std::make_shared<PlanCommand>();
  CLI::App* command =
      app.add_subcommand("plan", "what a run is going to take: memory, steps, tokens, disk");
  command->add_option("--config", options->config, "run file (JSON)")->required();
  command->add_option("--set", options->sets, "KEY=VALUE that wins over the run file; repeatable")
      ->allow_extra_args(false)
      ->take_all();
  command->add_option("KEY=VALUE", options->assignments, "the same without --set")->take_all();
  add_device_options(*command, options->device, options->threads);
  add_pickle_option(*command, options->allow_pickle);
  command->add_flag("--calibrate", options->calibrate,
                    "train a few steps, too, and say how long the run is going to take");
  command->add_flag("--modules", options->modules, "list the modules that are adapted");
  command->add_flag("--json", options->json, "one JSON document on stdout");
  command->callback([options, &action] { action = [options] { return plan(*options); }; });
}

}  // namespace peft
