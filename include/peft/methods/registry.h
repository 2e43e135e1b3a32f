#pragma once

#include <cstdint>
#include <memory>

#include "peft/methods/adapter.h"

namespace peft {

/// How a method is put on a model. `config` is a complete adapter_config.json (every field of the
/// method present); `seed` decides the start values.
using AttachFunction = std::unique_ptr<Adapter> (*)(CausalLM& model, const Json& config,
                                                    uint64_t seed);

/// The engine's half of a method; the front end's half is its entry in config/methods.cpp.
struct MethodEntry {
  const char* peft_type;
  AttachFunction attach;
};

/// Every method there is, one line each.
const std::vector<MethodEntry>& method_entries();

/// Attaches the method that `config.peft_type` names, not yet training. Throws UsageError when
/// there is none.
std::unique_ptr<Adapter> attach_adapter(CausalLM& model, const Json& config, uint64_t seed);

}  // namespace peft
