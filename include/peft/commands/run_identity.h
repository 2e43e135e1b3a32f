#pragma once

#include "peft/commands/open_model.h"
#include "peft/training/checkpoint.h"

namespace peft {

/// Hashes and keys that tell one run from another. `config` is resolved, with every `auto` settled;
/// `base_hash` is FrozenBase's.
RunIdentity run_identity(const Json& config, const std::string& version,
                         const std::string& base_hash, const HfDirectory& directory,
                         const TextSide& text, const Dataset& train,
                         const std::vector<Example>& held_out);

}  // namespace peft
