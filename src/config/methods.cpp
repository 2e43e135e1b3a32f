#include "peft/config/methods.h"

#include "methods/tables.h"
#include "peft/util/text.h"

namespace peft {

const std::vector<Method>& methods() {
  static const std::vector<Method> all = {
      lora_method(),          adalora_method(),       vera_method(),     oft_method(),
      ia3_method(),           houlsby_method(),       pfeiffer_method(), parallel_method(),
      prompt_tuning_method(), prefix_tuning_method(), p_tuning_method(), llama_adapter_method(),
      ln_tuning_method(),     bitfit_method(),        full_method(),
  };
  return all;
}

const Method* find_method(std::string_view name) {
  for (const Method& method : methods()) {
    if (lower_ascii(name) == method.name || lower_ascii(name) == lower_ascii(method.peft_type)) {
      return &method;
    }
  }
  return nullptr;
}

std::string available_methods() {
  std::vector<std::string> names;
  for (const Method& method : methods()) {
    names.push_back(method.peft_type);
  }
  return join(names, ", ");
}

const std::vector<Key>& common_adapter_keys() {
  using enum ValueType;
  static const std::vector<Key> keys = [] {
    Key type{.name = "peft_type",
             .types = {kString},
             .fallback = "LORA",
             .aliases = {{"use_peft", {{true, "LORA"}}},
                         {"finetuning_type"},
                         {"fine_tune_type"},
                         {"tuner_type"}},
             .summary = "method, by PEFT's name",
             .missing = "other methods are not available in this version",
             .fixed_by_adapter = true};
    for (const Method& method : methods()) {
      type.choices.push_back(method.peft_type);
      type.synonyms.push_back({method.name, method.peft_type});
    }
    const Key path{.name = "path",
                   .types = {kString},
                   .fallback = nullptr,
                   .summary =
                       "folder of a stored adapter to go on training; its config is the start "
                       "and other keys may not change its shape",
                   .automatic = "a new adapter"};
    const Key task{.name = "task_type",
                   .types = {kString},
                   .fallback = nullptr,
                   .choices = {"CAUSAL_LM", "SEQ_CLS"},
                   .summary =
                       "CAUSAL_LM: predict the next token; SEQ_CLS: classify rows, with a "
                       "head that trains beside the adapter",
                   .automatic = "the task of the base model's head",
                   .saved = "CAUSAL_LM",
                   .fixed_by_adapter = true};
    return std::vector<Key>{type,
                            path,
                            task,
                            ignored_field("base_model_name_or_path", nullptr),
                            ignored_field("revision", nullptr),
                            ignored_field("inference_mode", false),
                            ignored_field("auto_mapping", nullptr),
                            ignored_field("peft_version", nullptr),
                            legacy_field("runtime_config")};
  }();
  return keys;
}

}  // namespace peft
