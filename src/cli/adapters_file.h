#pragma once

#include <filesystem>

#include "peft/cli/command.h"
#include "peft/io/weights_file.h"
#include "peft/util/json.h"

namespace peft {

/// What a file of adapter tensors without an adapter_config.json holds, told from its tensors'
/// names: method, modules, ranks, sizes. Throws ModelError for a file that names no adapter, and
/// for a pickled one unless that is allowed.
Json describe_adapter_file(const std::filesystem::path& path, PickledWeights pickled);

/// The same for a reader.
void print_adapter_file(const Json& file);

}  // namespace peft
