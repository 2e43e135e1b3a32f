#include "peft/methods/host_parts.h"

#include <algorithm>

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
      const bool owns = module.value()->parameters(/*recurse=*/false).size() > 0;
      if (owns && module.key().ends_with(text)) {
        parts.push_back({module.key(), module.value().get()});
      }
    }
    check<UsageError>(parts.size() > before, "adapter.{}: \"{}\" matches no module of {}", key,
                      text, model.shape().architecture);
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
