#include "peft/methods/host_parts.h"

#include <algorithm>

#include "peft/config/model_family.h"
#include "peft/util/error.h"

namespace peft {

std::vector<NamedPart> parts_ending_with(const CausalLM& model, const Json& endings,
                                         const std::string& key) {
  std::vector<NamedPart> parts;
  if (!endings.is_array()) {
    return parts;
  }
  for (const Json& ending : endings) {
    const std::string text = ending.get<std::string>();
    const size_t before = parts.size();
    for (const auto& module : model.named_modules("", /*include_self=*/false)) {
      if (module.key().ends_with(text) && !module.value()->parameters().empty()) {
        parts.push_back({module.key(), module.value().get()});
      }
    }
    const auto& heads = class_head_names();
    const bool may_lack =
        model.shape().classes() > 0 && std::find(heads.begin(), heads.end(), text) != heads.end();
    check<UsageError>(parts.size() > before || may_lack,
                      "adapter.{}: \"{}\" matches no module of {}", key, text,
                      model.shape().architecture);
  }
  return parts;
}

std::string embedding_path(const CausalLM& model) {
  for (const auto& parameter : model.named_parameters()) {
    if (parameter.value().is_same(model.token_embedding().weight())) {
      return parameter.key().substr(0, parameter.key().rfind('.'));
    }
  }
  TORCH_INTERNAL_ASSERT(false, "a model registers its token embedding");
}

std::vector<std::string> parameters_ending_with(const CausalLM& model, const std::string& ending) {
  std::vector<std::string> names;
  for (const auto& parameter : model.named_parameters()) {
    if (parameter.key().ends_with(ending)) {
      names.push_back(parameter.key());
    }
  }
  return names;
}

}  // namespace peft
