#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>

#include "peft/cli/command.h"
#include "peft/util/text.h"

namespace peft {

void add_device_options(CLI::App& command, std::string& device, int64_t& threads) {
  command.add_option("--device", device, "auto, cpu, cuda or cuda:N")->capture_default_str();
  command.add_option("--threads", threads, "processor threads; 0: all of this machine's")
      ->capture_default_str();
}

void add_pickle_option(CLI::App& command, bool& allow_pickle) {
  command.add_flag("--allow-pickle", allow_pickle,
                   "read pytorch_model.bin and adapter_model.bin, as tensors alone, where there "
                   "are no safetensors");
}

void add_model_options(CLI::App& command, ModelOptions& options) {
  command.add_option("--model", options.model,
                     "model folder; may be left out where --adapter records it");
  command.add_option("--adapter", options.adapters, "adapter folder")->allow_extra_args(false);
  command.add_option("--dtype", options.dtype, "auto, float32, bfloat16 or float16")
      ->capture_default_str();
  add_device_options(command, options.device, options.threads);
  add_pickle_option(command, options.allow_pickle);
}

void check_device_options(const std::string& device, int64_t threads) {
  const bool numbered = device.starts_with("cuda:") && device.size() > 5 && device.size() < 9 &&
                        device.find_first_not_of("0123456789", 5) == std::string::npos;
  check<UsageError>(device == "auto" || device == "cpu" || device == "cuda" || numbered,
                    "--device: expected auto, cpu, cuda or cuda:N, found \"{}\"", escaped(device));
  check_at_least("--threads", threads, 0);
}

void check_choice(const std::string& flag, const std::string& value,
                  const std::vector<std::string>& choices) {
  check<UsageError>(std::find(choices.begin(), choices.end(), value) != choices.end(),
                    "{}: expected {}, found \"{}\"{}", flag, join(choices, ", "), escaped(value),
                    did_you_mean(value, choices));
}

void check_at_least(const std::string& flag, int64_t value, int64_t least) {
  check<UsageError>(value >= least, "{}: expected at least {}, found {}", flag, least, value);
}

double share_of(const std::string& flag, const std::string& text) {
  const bool percent = text.ends_with('%');
  const std::string digits = text.substr(0, text.size() - (percent ? 1 : 0));
  double value = 0.0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  check<UsageError>(error == std::errc() && end == digits.data() + digits.size(),
                    "{}: expected a share, as in 1% or 0.01, found \"{}\"", flag, escaped(text));
  return percent ? value / 100.0 : value;
}

Request model_request(const ModelOptions& options) {
  check<UsageError>(!options.model.empty() || !options.adapters.empty(),
                    "--model is missing; give a model folder, or --adapter with one that records "
                    "its base");
  check_choice("--dtype", options.dtype, {"auto", "float32", "bfloat16", "float16"});
  check_device_options(options.device, options.threads);
  return {{"model", text_or_null(options.model)},
          {"adapter", options.adapters.empty() ? Json() : Json(options.adapters.front())},
          {"adapters", options.adapters},
          {"dtype", options.dtype},
          {"device", options.device},
          {"threads", options.threads},
          {"allow_pickle", options.allow_pickle}};
}

void add_ensemble_option(CLI::App& command, std::string& ensemble) {
  command.add_option("--ensemble", ensemble,
                     "the adapters answer together: mean of their probabilities, or vote");
}

Json ensemble_request(const std::string& ensemble, const ModelOptions& options) {
  if (ensemble.empty()) {
    return nullptr;
  }
  check_choice("--ensemble", ensemble, {"mean", "vote"});
  check<UsageError>(options.adapters.size() > 1, "--ensemble: needs several --adapter folders");
  return ensemble;
}

void check_one_adapter(const ModelOptions& options) {
  check<UsageError>(options.adapters.size() <= 1, "--adapter: expected one folder, found {}",
                    options.adapters.size());
}

Json text_or_null(const std::string& text) {
  return text.empty() ? Json() : Json(text);
}

void print_text(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
}

void print_json(const Json& document) {
  print_text(document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

Json read_messages(const std::string& file) {
  const Json messages = read_json<DataError>(file, {.bytes = size_t{64} << 20});
  check<DataError>(messages.is_array() || (messages.is_object() && messages.contains("messages") &&
                                           messages.at("messages").is_array()),
                   "{}: expected a list of messages, or an object with \"messages\"", file);
  return messages;
}

bool stdout_takes_colour() {
  return ::isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr;
}

}  // namespace peft
