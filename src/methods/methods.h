#pragma once

#include <memory>

#include "peft/methods/adapter.h"

namespace peft {

std::unique_ptr<Adapter> attach_lora(CausalLM& model, const Json& config, uint64_t seed);

}  // namespace peft
