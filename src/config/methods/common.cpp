#include "tables.h"

namespace peft {
namespace {

using enum ValueType;

Key exclude_key() {
  return {.name = "exclude_modules",
          .types = {kStringList, kString},
          .fallback = nullptr,
          .summary = "modules left out of the targets, in the same forms",
          .automatic = "none",
          .fixed_by_adapter = true};
}

}  // namespace

Key unavailable_field(std::string name, Json fallback, std::string missing,
                      std::vector<Alias> aliases) {
  return {.name = std::move(name),
          .types = {},
          .fallback = fallback,
          .aliases = std::move(aliases),
          .support = Support::kNeutral,
          .missing = std::move(missing),
          .neutral = {fallback}};
}

Key ignored_field(std::string name, Json fallback) {
  return {.name = std::move(name),
          .types = {},
          .fallback = std::move(fallback),
          .support = Support::kNotUsed};
}

Key legacy_field(std::string name) {
  return {
      .name = std::move(name), .types = {}, .fallback = std::nullopt, .support = Support::kNotUsed};
}

std::vector<Key> joined(std::initializer_list<std::vector<Key>> tables) {
  std::vector<Key> all;
  for (const std::vector<Key>& table : tables) {
    all.insert(all.end(), table.begin(), table.end());
  }
  return all;
}

std::vector<Key> targeting_keys() {
  return {
      {.name = "target_modules",
       .types = {kStringList, kString},
       .fallback = "all-linear",
       .aliases = {{"lora_target_modules"},
                   {"lora_target_linear", {{true, "all-linear"}, {false, nullptr}}},
                   {"lora_target", {{"all", "all-linear"}}},
                   {"lora_parameters.keys"},
                   {"target_regex"}},
       .summary = "all-linear (every linear layer but the head), a list of name endings, or a "
                  "regular expression over the whole name",
       .saved = nullptr,
       .fixed_by_adapter = true},
      exclude_key(),
      {.name = "layers_to_transform",
       .types = {kInt, kIntList},
       .fallback = nullptr,
       .least = 0,
       .most = 1e6,
       .summary = "numbers of the layers that are adapted; with a target list only",
       .automatic = "all",
       .fixed_by_adapter = true},
      {.name = "layers_pattern",
       .types = {kString, kStringList},
       .fallback = nullptr,
       .summary = "name of the container whose numbers count; with layers_to_transform only",
       .automatic = "any",
       .fixed_by_adapter = true},
  };
}

std::vector<Key> own_target_keys(const std::string& usual) {
  return {{.name = "target_modules",
           .types = {kStringList, kString},
           .fallback = nullptr,
           .summary = "a list of name endings, or a regular expression over the whole name",
           .automatic = usual,
           .fixed_by_adapter = true},
          exclude_key()};
}

std::vector<Key> modules_to_save_keys() {
  return {{.name = "modules_to_save",
           .types = {kStringList},
           .fallback = nullptr,
           .aliases = {{"lora_modules_to_save"}, {"additional_target"}},
           .summary = "modules that train in full and are stored whole, by the end of their names",
           .automatic = "none",
           .fixed_by_adapter = true}};
}

int64_t saved_module_parameters(const Json& adapter, const ModelSizes& model) {
  const Json& endings = adapter.at("modules_to_save");
  int64_t count = 0;
  for (const auto& [name, elements] : model.elements) {
    bool taken = false;
    for (size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', dot + 1)) {
      const std::string module = name.substr(0, dot);
      taken = taken || std::any_of(endings.begin(), endings.end(), [&](const Json& ending) {
                return module.ends_with(ending.get<std::string>());
              });
    }
    count += taken ? elements : 0;
  }
  return count;
}

}  // namespace peft
