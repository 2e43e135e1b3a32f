#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "peft/io/weights_file.h"
#include "peft/util/json.h"

namespace peft {

/// A saved adapter_config.json with every field of its method: what the file leaves out takes
/// PEFT's default (r 8, lora_alpha 8), which differs from a run file's. Unknown keys are dropped
/// with a warning. Throws ModelError, with all faults, for keys that ask for what we lack.
Json complete_adapter_config(const Json& saved, const std::string& where = "adapter_config.json");

/// Reads and completes DIR/adapter_config.json. Throws ModelError.
Json read_adapter_config(const std::filesystem::path& directory);

/// The file of an adapter folder's tensors, under PEFT's name or AdapterHub's: safetensors, and
/// where there are none the pickle that older versions wrote, if that is allowed. Throws ModelError
/// when there is none.
WeightsFile open_adapter_weights(const std::filesystem::path& directory, PickledWeights pickled);

/// Combinations of adapter keys that contradict each other, as "key: what is wrong".
std::vector<std::string> adapter_contradictions(const Json& adapter);

}  // namespace peft
