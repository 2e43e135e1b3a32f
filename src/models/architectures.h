#pragma once

#include <memory>

#include "peft/models/registry.h"

namespace peft {

std::unique_ptr<CausalLM> build_llama(const ModelBlueprint& blueprint);
std::unique_ptr<CausalLM> build_gpt2(const ModelBlueprint& blueprint);
std::unique_ptr<CausalLM> build_gpt_neox(const ModelBlueprint& blueprint);
std::unique_ptr<CausalLM> build_phi3(const ModelBlueprint& blueprint);
std::unique_ptr<CausalLM> build_gemma(const ModelBlueprint& blueprint);
std::unique_ptr<CausalLM> build_opt(const ModelBlueprint& blueprint);
std::unique_ptr<CausalLM> build_bert(const ModelBlueprint& blueprint);
std::unique_ptr<CausalLM> build_moe(const ModelBlueprint& blueprint);

}  // namespace peft
