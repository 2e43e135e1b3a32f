#include "peft/plan/adapter_sizes.h"

#include <set>

#include "peft/config/method_sizes.h"
#include "peft/util/text.h"

namespace peft {
namespace {

/// Numbers per token that a target's inner product keeps: its rank, where it has one.
int64_t inner_width(const Json& own) {
  const char* const key = own.contains("init_r") ? "init_r" : "r";
  const bool low_rank = own.at("peft_type") == "LORA" || own.at("peft_type") == "ADALORA";
  return low_rank ? own.at(key).get<int64_t>() : 0;
}

std::string names_of(const ModelSizes& model) {
  std::set<std::string> names;
  for (const PlannedLinear& linear : model.linears) {
    names.insert(linear.path.substr(linear.path.rfind('.') + 1));
  }
  return join({names.begin(), names.end()}, ", ");
}

}  // namespace

AdapterSizes adapter_sizes(const ModelSizes& model, const Json& adapter) {
  const Method* method = find_method(adapter.at("peft_type").get<std::string>());
  check<UsageError>(method != nullptr, "adapter.peft_type: expected one of {}, found {}",
                    available_methods(), json_excerpt(adapter.at("peft_type")));
  AdapterSizes sizes;
  sizes.drops_inputs = adapter.value("lora_dropout", 0.0) > 0.0;
  if (method->parameters_elsewhere != nullptr) {
    sizes.parameters = method->parameters_elsewhere(adapter, model);
  }
  if (method->parameters_beside == nullptr) {
    return sizes;
  }
  for (const PlannedLinear& linear : planned_targets(*method, adapter, model)) {
    const Json own = seen_by(linear, adapter);
    sizes.targets.push_back({linear, inner_width(own), method->parameters_beside(own, linear)});
    sizes.parameters += sizes.targets.back().parameters;
  }
  check<UsageError>(!sizes.targets.empty(),
                    "adapter.target_modules: {} matches no module; available: {}; \"all-linear\" "
                    "would pick {} modules",
                    json_excerpt(adapter.at("target_modules")), names_of(model),
                    model.linears.size());
  return sizes;
}

}  // namespace peft
