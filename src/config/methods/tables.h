#pragma once

#include <algorithm>

#include "peft/config/methods.h"

namespace peft {

/// One entry of the catalogue each, by family.
Method lora_method();
Method adalora_method();
Method ia3_method();
Method prompt_tuning_method();
Method prefix_tuning_method();
Method p_tuning_method();
Method llama_adapter_method();
Method houlsby_method();
Method pfeiffer_method();
Method parallel_method();
Method ln_tuning_method();
Method bitfit_method();
Method full_method();
Method vera_method();
Method oft_method();

/// A key that PEFT writes for an ability we lack; only the value that leaves it unused is accepted.
Key unavailable_field(std::string name, Json fallback, std::string missing,
                      std::vector<Alias> aliases = {});

/// A field that PEFT writes and nothing here depends on.
Key ignored_field(std::string name, Json fallback);

/// A field that PEFT reads, or once wrote, and does not write today.
Key legacy_field(std::string name);

/// The tables one behind the other.
std::vector<Key> joined(std::initializer_list<std::vector<Key>> tables);

/// Which modules get an adapter: all-linear, a list or an expression, in some layers or in all.
std::vector<Key> targeting_keys();

/// target_modules and exclude_modules of a method with targets of its own; `usual` names them.
std::vector<Key> own_target_keys(const std::string& usual);

/// Whole modules that train beside the method.
std::vector<Key> modules_to_save_keys();

/// Elements of the modules that modules_to_save names.
int64_t saved_module_parameters(const Json& adapter, const ModelSizes& model);

}  // namespace peft
