#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <memory>
#include <set>

#include "adapters_file.h"
#include "peft/cli/command.h"
#include "peft/config/adapter_config.h"
#include "peft/config/methods.h"
#include "peft/io/weights_file.h"
#include "peft/util/text.h"

namespace peft {
namespace {

struct AdaptersInfoCommand {
  std::string path;
  bool allow_pickle = false;
  bool json = false;
};

/// The factor that starts at zero: LoRA's B, AdaLoRA's E, VeRA's b.
bool is_zero_at_start(const std::string& name) {
  for (const char* part : {".lora_B.", ".lora_embedding_A", ".lora_E", ".vera_lambda_b"}) {
    if (name.find(part) != std::string::npos) {
      return true;
    }
  }
  return false;
}

/// True if the bytes are zeros but for sign bits, whatever floating-point type they hold.
bool is_zero(const WeightsFile& file, const std::string& name, const TensorInfo& info) {
  std::vector<std::byte> bytes(info.bytes);
  file.read(name, bytes);
  const auto width = static_cast<size_t>(element_size(info.dtype));
  for (size_t i = 0; i < bytes.size(); ++i) {
    const bool holds_sign = i % width == width - 1;  // little-endian
    if ((bytes[i] & (holds_sign ? std::byte{0x7f} : std::byte{0xff})) != std::byte{0}) {
      return false;
    }
  }
  return true;
}

/// Whether all B are zero, so that the adapter changes nothing; null without any. Reading stops at
/// the first that is not.
Json b_is_zero(const WeightsFile& file) {
  Json zero;
  for (const auto& [name, info] : file.tensors()) {
    if (is_zero_at_start(name)) {
      if (!is_zero(file, name, info)) {
        return false;
      }
      zero = true;
    }
  }
  return zero;
}

/// A LoRA file without targets holds biases alone.
const Method& method_of(const Json& config) {
  const bool bitfit = config.value("target_modules", Json()) == "dummy-target-modules";
  const Method* const method =
      find_method(bitfit ? "bitfit" : config.at("peft_type").get<std::string>());
  check<ModelError>(method != nullptr, "peft_type: {} is not among this version's methods",
                    json_excerpt(config.at("peft_type")));
  return *method;
}

/// What the config says of the keys that the method reads, without those that ask for nothing.
Json settings_of(const Method& method, const Json& config) {
  Json settings = Json::object();
  for (const Key& key : method.keys) {
    const Json value = config.value(key.name, Json());
    const bool asks =
        !value.is_null() && value != false && !(value.is_structured() && value.empty());
    if (key.support == Support::kUsed && asks) {
      settings[key.name] = value;
    }
  }
  return settings;
}

/// What stands before B A; other methods have no such number.
Json scale_of(const Method& method, const Json& config) {
  if (method.name != "lora" && method.name != "adalora") {
    return nullptr;
  }
  const double rank = config.at(method.name == "lora" ? "r" : "init_r").get<double>();
  return config.at("lora_alpha").get<double>() /
         (config.at("use_rslora").get<bool>() ? std::sqrt(rank) : rank);
}

Json describe(const std::filesystem::path& directory, PickledWeights pickled) {
  const Json config = read_adapter_config(directory);
  const Method& method = method_of(config);
  const Json settings = settings_of(method, config);
  const WeightsFile file = open_adapter_weights(directory, pickled);
  int64_t parameters = 0;
  int64_t bytes = 0;
  std::set<std::string> dtypes;
  for (const auto& [name, info] : file.tensors()) {
    parameters += info.elements();
    bytes += static_cast<int64_t>(info.bytes);
    dtypes.insert(dtype_name(info.dtype));
  }
  return {{"path", directory.string()},
          {"method", method.name},
          {"peft_type", config.at("peft_type")},
          {"summary", method.summary},
          {"mergeable", method.mergeable},
          {"served_by", method.served_by},
          {"r", settings.value("r", Json())},
          {"lora_alpha", settings.value("lora_alpha", Json())},
          {"scale", scale_of(method, config)},
          {"use_rslora", config.value("use_rslora", Json())},
          {"rank_pattern", config.value("rank_pattern", Json())},
          {"alpha_pattern", config.value("alpha_pattern", Json())},
          {"target_modules", config.value("target_modules", Json())},
          {"settings", settings},
          {"tensors", file.tensors().size()},
          {"parameters", parameters},
          {"bytes", bytes},
          {"dtype", join({dtypes.begin(), dtypes.end()}, ", ")},
          {"base_model_name_or_path", config.value("base_model_name_or_path", Json())},
          {"b_is_zero", b_is_zero(file)}};
}

std::string plain(const Json& value) {
  return value.is_string() ? escaped(value.get<std::string>()) : value.dump();
}

void print_line(const std::string& name, const std::string& value) {
  print_text(fmt::format("{:<24} {}\n", name, value));
}

void print_description(const Json& description) {
  print_line("path", plain(description.at("path")));
  print_line("method",
             fmt::format("{} ({}): {}", plain(description.at("method")),
                         plain(description.at("peft_type")), plain(description.at("summary"))));
  for (const auto& [name, value] : description.at("settings").items()) {
    print_line(name, plain(value));
  }
  if (description.at("scale").is_number()) {
    print_line("scale", fmt::format("{:.6g}", description.at("scale").get<double>()));
  }
  print_line("tensors",
             fmt::format("{} of type {}: {} parameters, {}", plain(description.at("tensors")),
                         plain(description.at("dtype")),
                         with_commas(description.at("parameters").get<int64_t>()),
                         human_bytes(description.at("bytes").get<int64_t>())));
  const Json& base = description.at("base_model_name_or_path");
  print_line("base", base.is_null() ? "not recorded" : plain(base));
  print_line("can be merged", description.at("mergeable") == true ? "yes" : "no");
  if (description.at("b_is_zero") == true) {
    print_text("the factor that starts at zero still is: this adapter changes nothing\n");
  }
}

int info(const AdaptersInfoCommand& options) {
  const bool is_file = std::filesystem::is_regular_file(options.path);
  const PickledWeights pickled = pickled_weights(options.allow_pickle);
  const Json description =
      is_file ? describe_adapter_file(options.path, pickled) : describe(options.path, pickled);
  if (options.json) {
    print_json(description);
  } else if (is_file) {
    print_adapter_file(description);
  } else {
    print_description(description);
  }
  return 0;
}

}  // namespace

void setup_adapters(CLI::App& app, Action& action) {
  CLI::App* group = app.add_subcommand("adapters", "look at adapters, compare and combine them");
  group->require_subcommand(1);
  const auto options = std::make_shared<AdaptersInfoCommand>();
  CLI::App* command = group->add_subcommand("info", "say what an adapter folder or file holds");
  command->add_option("PATH", options->path, "adapter folder, or a bare file of its tensors")
      ->required();
  add_pickle_option(*command, options->allow_pickle);
  command->add_flag("--json", options->json, "one JSON document on stdout");
  command->callback([options, &action] { action = [options] { return info(*options); }; });
  setup_adapters_diff(*group, action);
  setup_adapters_convert(*group, action);
  setup_adapters_merge(*group, action);
}

}  // namespace peft
