#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "peft/config/keys.h"

namespace peft {

/// A PEFT method as the user meets it: its catalogue entry and the keys of its adapter section.
/// Adding a method to the front end is one entry in methods.cpp.
struct Method {
  std::string name;       ///< "lora"
  std::string peft_type;  ///< "LORA", as in adapter_config.json
  std::string kind;       ///< "reparameterisation"
  std::string summary;    ///< one line
  bool mergeable;
  double learning_rate;   ///< of a run file that gives none
  std::vector<Key> keys;  ///< without the keys common to all methods
  /// Trainable parameters beside one linear layer (out, in) under a resolved adapter section.
  int64_t (*parameters)(const Json& adapter, int64_t out, int64_t in);
};

/// All methods of this version, in the order of `peft methods`.
const std::vector<Method>& methods();

/// By PEFT type or by name, in any case; null if there is none.
const Method* find_method(std::string_view name);

/// "LORA" or "LORA, IA3": for messages.
std::string available_methods();

/// Keys that every adapter_config.json has: peft_type, task_type, ...
const std::vector<Key>& common_adapter_keys();

}  // namespace peft
