#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <memory>
#include <set>

#include "peft/cli/command.h"
#include "peft/config/adapter_config.h"
#include "peft/io/safetensors.h"
#include "peft/util/text.h"

namespace peft {
namespace {

struct AdaptersCommand {
  std::string directory;
  bool json = false;
};

bool is_b(const std::string& name) {
  return name.find(".lora_B.") != std::string::npos ||
         name.find(".lora_embedding_B") != std::string::npos;
}

/// True if the bytes are zeros but for sign bits, whatever floating-point type they hold.
bool is_zero(const SafetensorsFile& file, const std::string& name, const TensorInfo& info) {
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
Json b_is_zero(const SafetensorsFile& file) {
  Json zero;
  for (const auto& [name, info] : file.tensors()) {
    if (is_b(name)) {
      if (!is_zero(file, name, info)) {
        return false;
      }
      zero = true;
    }
  }
  return zero;
}

/// Of a LoRA; other methods have no such number.
Json scale_of(const Json& config) {
  if (config.at("peft_type") != "LORA") {
    return nullptr;
  }
  const double rank = config.at("r").get<double>();
  return config.at("lora_alpha").get<double>() /
         (config.at("use_rslora").get<bool>() ? std::sqrt(rank) : rank);
}

Json describe(const std::filesystem::path& directory) {
  const Json config = read_adapter_config(directory);
  const bool hub = std::filesystem::exists(directory / "adapter.safetensors");
  const SafetensorsFile file(directory /
                             (hub ? "adapter.safetensors" : "adapter_model.safetensors"));
  int64_t parameters = 0;
  int64_t bytes = 0;
  std::set<std::string> dtypes;
  for (const auto& [name, info] : file.tensors()) {
    parameters += info.elements();
    bytes += static_cast<int64_t>(info.bytes);
    dtypes.insert(dtype_name(info.dtype));
  }
  return {{"path", directory.string()},
          {"peft_type", config.at("peft_type")},
          {"r", config.value("r", Json())},
          {"lora_alpha", config.value("lora_alpha", Json())},
          {"scale", scale_of(config)},
          {"use_rslora", config.value("use_rslora", Json())},
          {"rank_pattern", config.value("rank_pattern", Json())},
          {"alpha_pattern", config.value("alpha_pattern", Json())},
          {"target_modules", config.value("target_modules", Json())},
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

int info(const AdaptersCommand& options) {
  const Json description = describe(options.directory);
  if (options.json) {
    print_json(description);
    return 0;
  }
  for (const auto& [name, value] : description.items()) {
    print_text(fmt::format("{:<24} {}\n", name, plain(value)));
  }
  if (description.at("b_is_zero") == true) {
    print_text("every B is zero: this adapter changes nothing\n");
  }
  return 0;
}

}  // namespace

void setup_adapters(CLI::App& app, Action& action) {
  CLI::App* group = app.add_subcommand("adapters", "look at adapters");
  group->require_subcommand(1);
  const auto options = std::make_shared<AdaptersCommand>();
  CLI::App* command = group->add_subcommand("info", "say what an adapter folder holds");
  command->add_option("DIR", options->directory, "adapter folder")->required();
  command->add_flag("--json", options->json, "one JSON document on stdout");
  command->callback([options, &action] { action = [options] { return info(*options); }; });
}

}  // namespace peft
