#include "peft/config/model_family.h"

#include "peft/util/error.h"
#include "peft/util/text.h"

namespace peft {

const std::vector<ModelFamily>& model_families() {
  static const std::vector<ModelFamily> table = {
      {"llama", "LlamaForCausalLM", "model.", "model.embed_tokens.weight", false},
      {"mistral", "MistralForCausalLM", "model.", "model.embed_tokens.weight", false},
      {"qwen2", "Qwen2ForCausalLM", "model.", "model.embed_tokens.weight", false},
      {"qwen3", "Qwen3ForCausalLM", "model.", "model.embed_tokens.weight", false},
      {"gpt2", "GPT2LMHeadModel", "transformer.", "transformer.wte.weight", true},
      {"gpt_neox", "GPTNeoXForCausalLM", "gpt_neox.", "gpt_neox.embed_in.weight", false},
      {"phi3", "Phi3ForCausalLM", "model.", "model.embed_tokens.weight", false},
      {"gemma", "GemmaForCausalLM", "model.", "model.embed_tokens.weight", true},
      {"gemma2", "Gemma2ForCausalLM", "model.", "model.embed_tokens.weight", true},
      {"gemma3_text", "Gemma3ForCausalLM", "model.", "model.embed_tokens.weight", true},
      {"opt", "OPTForCausalLM", "model.", "model.decoder.embed_tokens.weight", true},
      {"mixtral", "MixtralForCausalLM", "model.", "model.embed_tokens.weight", false},
      {"qwen3_moe", "Qwen3MoeForCausalLM", "model.", "model.embed_tokens.weight", false},
  };
  return table;
}

const ModelFamily& find_family(const std::string& model_type, const std::string& where) {
  std::vector<std::string> known;
  for (const ModelFamily& family : model_families()) {
    if (model_type == family.model_type) {
      return family;
    }
    known.emplace_back(family.model_type);
  }
  fail<ModelError>("{}: model_type: expected one of {}, found \"{}\"", where, join(known, ", "),
                   model_type);
}

}  // namespace peft
