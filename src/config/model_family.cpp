#include "peft/config/model_family.h"

#include <algorithm>

#include "peft/util/error.h"
#include "peft/util/text.h"

namespace peft {
namespace {

constexpr const char* kClassifierEnding = "ForSequenceClassification";

std::string default_label(size_t place) {
  return "LABEL_" + std::to_string(place);
}

}  // namespace

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

std::vector<std::string> class_labels(const Json& config) {
  const Json names = config.value("architectures", Json::array());
  const bool classifies = names.is_array() && !names.empty() && names.front().is_string() &&
                          names.front().get_ref<const std::string&>().ends_with(kClassifierEnding);
  if (!classifies) {
    return {};
  }
  const Json given = config.value("id2label", Json());
  const Json number = config.value("num_labels", Json());
  const bool counts = number.is_number_integer() && number > 0 && number < kMostClasses;
  const size_t count = given.is_object() && !given.empty() ? given.size()
                       : counts                            ? number.get<size_t>()
                                                           : 2;
  std::vector<std::string> labels;
  for (size_t i = 0; i < count; ++i) {
    const Json name = given.is_object() ? given.value(std::to_string(i), Json()) : Json();
    labels.push_back(name.is_string() ? name.get<std::string>() : default_label(i));
  }
  return labels;
}

Json with_class_head(Json config, const ModelFamily& family,
                     const std::vector<std::string>& labels) {
  const std::string own = family.class_name;
  const size_t end = std::min({own.find("For"), own.find("LMHead"), own.size()});
  config["architectures"] = {own.substr(0, end) + kClassifierEnding};
  config.erase("num_labels");
  config.erase("problem_type");
  config["id2label"] = Json::object();
  config["label2id"] = Json::object();
  bool are_places = true;
  for (size_t i = 0; i < labels.size(); ++i) {
    are_places = are_places && labels[i] == std::to_string(i);
  }
  for (size_t i = 0; i < labels.size(); ++i) {
    const std::string name = are_places ? default_label(i) : labels[i];
    config["id2label"][std::to_string(i)] = name;
    config["label2id"][name] = i;
  }
  return config;
}

bool only_classifies(const std::string& model_type) {
  const auto& all = model_families();
  return std::any_of(all.begin(), all.end(), [&](const ModelFamily& family) {
    return model_type == family.model_type &&
           std::string_view(family.class_name).ends_with(kClassifierEnding);
  });
}

int64_t positions_before_text(const Json& config) {
  if (config.value("model_type", Json()) != "roberta") {
    return 0;
  }
  const Json pad = config.value("pad_token_id", Json());
  return (pad.is_number_integer() && pad > 0 && pad < kMostClasses ? pad.get<int64_t>() : 1) + 1;
}

const std::vector<std::string>& class_head_names() {
  static const std::vector<std::string> names = {"classifier", "score"};
  return names;
}

bool is_class_head(const std::string& tensor) {
  const auto& names = class_head_names();
  return std::any_of(names.begin(), names.end(),
                     [&](const std::string& name) { return tensor.starts_with(name + "."); });
}

bool is_other_head(const std::string& tensor, const std::string& model_type) {
  const bool is_pooler = tensor.find("pooler.dense.") != std::string::npos;
  return (is_pooler && model_type == "roberta") || tensor.starts_with("lm_head.") ||
         tensor.starts_with("embed_out.") || tensor.starts_with("cls.");
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
