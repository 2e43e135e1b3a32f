#include "peft/models/registry.h"

#include "architectures.h"

namespace peft {

const std::vector<Architecture>& architectures() {
  static const std::vector<Architecture> table = {
      {"llama", "LlamaForCausalLM", "model.", "model.embed_tokens.weight", false, build_llama},
      {"mistral", "MistralForCausalLM", "model.", "model.embed_tokens.weight", false, build_llama},
      {"qwen2", "Qwen2ForCausalLM", "model.", "model.embed_tokens.weight", false, build_llama},
      {"qwen3", "Qwen3ForCausalLM", "model.", "model.embed_tokens.weight", false, build_llama},
      {"gpt2", "GPT2LMHeadModel", "transformer.", "transformer.wte.weight", true, build_gpt2},
  };
  return table;
}

const Architecture& find_architecture(const std::string& model_type, const std::string& where) {
  std::vector<std::string> known;
  for (const Architecture& architecture : architectures()) {
    if (model_type == architecture.model_type) {
      return architecture;
    }
    known.emplace_back(architecture.model_type);
  }
  fail<ModelError>("{}: model_type: expected one of {}, found \"{}\"", where,
                   fmt::join(known, ", "), model_type);
}

}  // namespace peft
