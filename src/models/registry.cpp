#include "peft/models/registry.h"

#include "architectures.h"

namespace peft {
namespace {

/// The builder of a model type.
struct Architecture {
  const char* model_type;
  std::unique_ptr<CausalLM> (*build)(const ModelBlueprint&);
};

/// One line per model type of config/model_family.
constexpr Architecture kArchitectures[] = {
    {"llama", build_llama},       {"mistral", build_llama}, {"qwen2", build_llama},
    {"qwen3", build_llama},       {"gpt2", build_gpt2},     {"gpt_neox", build_gpt_neox},
    {"phi3", build_phi3},         {"gemma", build_gemma},   {"gemma2", build_gemma},
    {"gemma3_text", build_gemma}, {"opt", build_opt},       {"mixtral", build_moe},
    {"qwen3_moe", build_moe},     {"bert", build_bert},     {"roberta", build_bert},
};

}  // namespace

std::unique_ptr<CausalLM> build_architecture(const ModelBlueprint& blueprint) {
  const std::string type = blueprint.family.model_type;
  for (const Architecture& architecture : kArchitectures) {
    if (type == architecture.model_type) {
      return architecture.build(blueprint);
    }
  }
  TORCH_INTERNAL_ASSERT(false, "every family has a builder: ", type);
}

}  // namespace peft
