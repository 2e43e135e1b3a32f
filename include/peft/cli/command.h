#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "peft/cli/requests.h"

namespace CLI {
class App;
}

namespace peft {

/// What a parsed command line asks for; returns the exit code or throws Error.
using Action = std::function<int()>;

// One source file per command. Each adds its subcommand to `app`; when the user chose it, parsing
// sets `action`.

void setup_train(CLI::App& app, Action& action);
void setup_plan(CLI::App& app, Action& action);
void setup_eval(CLI::App& app, Action& action);
void setup_merge(CLI::App& app, Action& action);
void setup_generate(CLI::App& app, Action& action);
void setup_logits(CLI::App& app, Action& action);
void setup_tokenize(CLI::App& app, Action& action);
void setup_data(CLI::App& app, Action& action);
void setup_methods(CLI::App& app, Action& action);
void setup_config(CLI::App& app, Action& action);
void setup_adapters(CLI::App& app, Action& action);
void setup_checkpoint(CLI::App& app, Action& action);
void setup_import(CLI::App& app, Action& action);

// Commands below `config` and `adapters`.
void setup_config_migrate(CLI::App& group, Action& action);
void setup_adapters_diff(CLI::App& group, Action& action);
void setup_adapters_convert(CLI::App& group, Action& action);
void setup_adapters_merge(CLI::App& group, Action& action);

// Commands below `data`.
void setup_data_check(CLI::App& group, Action& action);
void setup_data_stats(CLI::App& group, Action& action);
void setup_data_tokenize(CLI::App& group, Action& action);

/// Flags of every command that computes with a model.
struct ModelOptions {
  std::string model;
  std::vector<std::string> adapters;  ///< several where the command takes them
  std::string dtype = "auto";
  std::string device = "auto";
  int64_t threads = 0;  ///< 0: the machine's
  bool allow_pickle = false;
};

/// Adds --model, --adapter, --dtype, --device, --threads and --allow-pickle.
void add_model_options(CLI::App& command, ModelOptions& options);
/// Adds --allow-pickle.
void add_pickle_option(CLI::App& command, bool& allow_pickle);
/// Adds --device and --threads.
void add_device_options(CLI::App& command, std::string& device, int64_t& threads);

/// Throws UsageError unless `device` is auto, cpu, cuda or cuda:N and `threads` is not negative.
void check_device_options(const std::string& device, int64_t threads);
/// Throws UsageError unless `value` is one of `choices`.
void check_choice(const std::string& flag, const std::string& value,
                  const std::vector<std::string>& choices);
/// Throws UsageError unless the number is at least `least`.
void check_at_least(const std::string& flag, int64_t value, int64_t least);

/// 0.01 for "1%" and "0.01". Throws UsageError for other text.
double share_of(const std::string& flag, const std::string& text);

/// "model", "adapter", "dtype", "device", "threads" and "allow_pickle" of a request. Throws
/// UsageError when neither a model nor an adapter is named.
Request model_request(const ModelOptions& options);

/// The text, or null when it is empty.
Json text_or_null(const std::string& text);

/// Adds --ensemble, for commands that take several adapters.
void add_ensemble_option(CLI::App& command, std::string& ensemble);
/// The choice, or null. Throws UsageError unless there are several adapters for it.
Json ensemble_request(const std::string& ensemble, const ModelOptions& options);
/// Throws UsageError when more than one adapter is given.
void check_one_adapter(const ModelOptions& options);

/// Prints one JSON document on stdout.
void print_json(const Json& document);
/// Prints text on stdout.
void print_text(const std::string& text);

/// A JSON file of messages: a list, or {"messages", "tools"}. Throws DataError.
Json read_messages(const std::string& file);

/// True if stdout is a terminal and colour is welcome there.
bool stdout_takes_colour();

}  // namespace peft
