#include "peft/config/adapter_config.h"

#include "peft/config/adapter_hub.h"
#include "peft/config/keys.h"
#include "peft/config/methods.h"
#include "peft/config/value_check.h"
#include "peft/util/log.h"
#include "peft/util/text.h"

namespace peft {
namespace {

const Method& method_of(const Json& saved, const std::string& where) {
  check<ModelError>(saved.is_object(), "{}: expected an object, found {}", where, json_kind(saved));
  const auto type = saved.find("peft_type");
  check<ModelError>(type != saved.end() && type->is_string(),
                    "{}: peft_type: expected the name of a method, found {}", where,
                    type == saved.end() ? "nothing" : json_excerpt(*type));
  const Method* method = find_method(type->get<std::string>());
  check<ModelError>(method != nullptr, "{}: peft_type: {} is not among this version's methods: {}",
                    where, json_excerpt(*type), available_methods());
  return *method;
}

Json value_or_default(const Key& key, const Json& saved, std::vector<std::string>& faults) {
  const auto found = saved.find(key.name);
  Json value;
  if (found != saved.end()) {
    CheckedValue checked = checked_value(key, nullptr, *found, ValueOrigin::kSavedAdapter);
    if (!checked.fault.empty()) {
      faults.push_back(key.name + ": " + checked.fault);
    }
    value = std::move(checked.value);
  }
  return value.is_null() ? key.saved.value_or(key.fallback.value_or(nullptr)) : value;
}

void warn_of_unknown_keys(const Json& saved, const std::vector<Key>& keys,
                          const std::string& where) {
  for (const auto& [name, value] : saved.items()) {
    bool known = false;
    for (const Key& key : keys) {
      known = known || (key.name == name && name != "path");
    }
    if (!known) {
      log_warning("{}: {}: unknown key, not used", where, escaped(name));
    }
  }
}

}  // namespace

Json complete_adapter_config(const Json& saved, const std::string& where) {
  if (is_hub_config(saved)) {
    return complete_adapter_config(from_hub_config(saved, where), where);
  }
  const Method& method = method_of(saved, where);
  const std::vector<Key>& keys = keys_of(Section::kAdapter, method.peft_type);
  warn_of_unknown_keys(saved, keys, where);
  std::vector<std::string> faults;
  Json complete = Json::object();
  for (const Key& key : keys) {
    if (key.fallback && key.name != "path") {
      complete[key.name] = value_or_default(key, saved, faults);
    }
  }
  complete["peft_type"] = method.peft_type;
  const std::vector<std::string> more =
      faults.empty() ? adapter_contradictions(complete) : std::vector<std::string>();
  faults.insert(faults.end(), more.begin(), more.end());
  check<ModelError>(faults.empty(), "{}: {}", where, join(faults, "\n  "));
  return complete;
}

Json read_adapter_config(const std::filesystem::path& directory) {
  const std::filesystem::path file = directory / "adapter_config.json";
  check<ModelError>(std::filesystem::exists(directory), "{}: no such adapter folder",
                    directory.string());
  return complete_adapter_config(read_json<ModelError>(file), file.string());
}

WeightsFile open_adapter_weights(const std::filesystem::path& directory, PickledWeights pickled) {
  for (const char* name : {"adapter_model.safetensors", "adapter.safetensors"}) {
    if (std::filesystem::exists(directory / name)) {
      return {directory / name, WeightsFile::Form::kSafetensors};
    }
  }
  for (const char* name : {"adapter_model.bin", "pytorch_adapter.bin"}) {
    if (std::filesystem::exists(directory / name)) {
      if (pickled == PickledWeights::kRefused) {
        fail_as_pickled(directory, name);
      }
      return {directory / name, WeightsFile::Form::kPickled};
    }
  }
  fail<ModelError>("{}: no adapter_model.safetensors", directory.string());
}

std::vector<std::string> adapter_contradictions(const Json& adapter) {
  std::vector<std::string> faults;
  const auto given = [&](const char* name) {
    return adapter.contains(name) && !adapter.at(name).is_null();
  };
  if (given("layers_pattern") && !given("layers_to_transform")) {
    faults.emplace_back("layers_pattern: expected layers_to_transform beside it");
  }
  if (!given("target_modules") || !adapter.at("target_modules").is_string()) {
    return faults;
  }
  const std::string targets = adapter.at("target_modules").get<std::string>();
  if (targets.find(',') != std::string::npos &&
      targets.find_first_of("(){}[]|\\*+?^$") == std::string::npos) {
    std::string list = Json(split(targets, ',')).dump();
    faults.push_back(fmt::format("target_modules: \"{}\" is one regular expression; write {}",
                                 escaped(targets), list));
  } else if (given("layers_to_transform") && lower_ascii(targets) != "all-linear") {
    faults.emplace_back(
        "layers_to_transform: cannot be used with a regular expression; put the layer numbers into "
        "target_modules");
  }
  return faults;
}

}  // namespace peft
