#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "peft/config/block_use.h"
#include "peft/config/keys.h"
#include "peft/config/model_sizes.h"

namespace peft {

/// A PEFT method as the user meets it: its catalogue entry and the keys of its adapter section.
/// Adding a method to the front end is one function in config/methods/ and its line in methods.cpp.
struct Method {
  std::string name;       ///< "lora"
  std::string peft_type;  ///< "LORA", as in adapter_config.json
  std::string kind;       ///< additive, soft prompt, reparameterisation, selective or hybrid
  std::string summary;    ///< one line
  bool mergeable;
  std::vector<std::string> served_by;  ///< programs that load the adapter unmerged
  double learning_rate;                ///< of a run file that gives none
  std::vector<Key> keys;               ///< without the keys common to all methods
  /// Projections that are targets when the config names none.
  std::vector<Place> places{Place::kQuery, Place::kValue, Place::kQueryKeyValue};
  /// Trainable parameters beside one target under a resolved adapter section, with the target's own
  /// rank under "r"; null: the method has no targets among the projections.
  int64_t (*parameters_beside)(const Json& adapter, const PlannedLinear& target) = nullptr;
  /// Trainable parameters anywhere else; null: none.
  int64_t (*parameters_elsewhere)(const Json& adapter, const ModelSizes& model) = nullptr;
  /// Numbers in the adapter's file, where they are not those that train.
  int64_t (*stored_beside)(const Json& adapter, const PlannedLinear& target) = nullptr;
  int64_t (*stored_elsewhere)(const Json& adapter, const ModelSizes& model) = nullptr;
  /// What one target keeps for the backward; null: its input.
  TargetUse (*kept_by_target)(const Json& adapter, const PlannedLinear& target) = nullptr;
  /// What a method without such targets keeps of a block; null: nothing.
  BlockUse (*kept_by_block)(const Json& adapter, const ModelSizes& model, int64_t layer) = nullptr;
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
