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
      {"bert", "BertForSequenceClassification", "bert.", "bert.embeddings.word_embeddings.weight",
       false},
      {"roberta", "RobertaForSequenceClassification", "roberta.",
       "roberta.embeddings.word_embeddings.weight", false},
  };
  return table;
}

int64_t class_count(const Json& config) {
  const Json names = config.value("architectures", Json::array());
  const bool classifies =
      names.is_array() && !names.empty() && names.front().is_string() &&
      names.front().get_ref<const std::string&>().ends_with("ForSequenceClassification");
  if (!classifies) {
    return 0;
  }
  const Json labels = config.value("id2label", Json());
  if (labels.is_object() && !labels.empty()) {
    return static_cast<int64_t>(labels.size());
  }
  const Json count = config.value("num_labels", Json());
  return count.is_number_integer() && count > 0 && count < 1'000'000 ? count.get<int64_t>() : 2;
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
