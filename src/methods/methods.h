#pragma once

#include <memory>

#include "peft/methods/adapter.h"

namespace peft {

std::unique_ptr<Adapter> attach_lora(CausalLM& model, const Json& config, uint64_t seed);
std::unique_ptr<Adapter> attach_adalora(CausalLM& model, const Json& config, uint64_t seed);
std::unique_ptr<Adapter> attach_ia3(CausalLM& model, const Json& config, uint64_t seed);
std::unique_ptr<Adapter> attach_bottleneck(CausalLM& model, const Json& config, uint64_t seed);
std::unique_ptr<Adapter> attach_prompt_tuning(CausalLM& model, const Json& config, uint64_t seed);
std::unique_ptr<Adapter> attach_prefix_tuning(CausalLM& model, const Json& config, uint64_t seed);
std::unique_ptr<Adapter> attach_llama_adapter(CausalLM& model, const Json& config, uint64_t seed);
std::unique_ptr<Adapter> attach_ln_tuning(CausalLM& model, const Json& config, uint64_t seed);
std::unique_ptr<Adapter> attach_bitfit(CausalLM& model, const Json& config, uint64_t seed);
std::unique_ptr<Adapter> attach_full(CausalLM& model, const Json& config, uint64_t seed);
std::unique_ptr<Adapter> attach_vera(CausalLM& model, const Json& config, uint64_t seed);
std::unique_ptr<Adapter> attach_oft(CausalLM& model, const Json& config, uint64_t seed);

/// Whether init_lora_weights takes the start out of the base's own weights.
bool starts_from_host(const Json& init);

/// PEFT's AdaLoRA divides by the rank and this; the rank is the one at the start, whatever was cut.
inline constexpr double kRankEpsilon = 1e-5;

/// target_modules of a LoRA file that holds nothing but the host's biases: PEFT's own word for it.
inline constexpr const char* kNoTargets = "dummy-target-modules";

}  // namespace peft
