#include "peft/config/method_sizes.h"

#include <algorithm>

#include "peft/config/run_task.h"
#include "peft/config/target_selection.h"

namespace peft {

Json seen_by(const PlannedLinear& target, Json adapter) {
  if (adapter.at("peft_type") == "LORA") {
    adapter["r"] = pattern_value(adapter.at("rank_pattern"), target.path).value_or(adapter.at("r"));
  }
  return adapter;
}

std::vector<PlannedLinear> planned_targets(const Method& method, const Json& adapter,
                                           const ModelSizes& model) {
  const TargetConfig config = TargetConfig::from(adapter);
  const TargetSelection selection(config);
  std::vector<PlannedLinear> targets;
  std::vector<PlannedLinear> candidates = model.linears;
  if (!config.is_all_linear() && model.classes == 0) {
    candidates.push_back(
        {"lm_head", Place::kHead, model.layers, model.hidden, model.vocabulary, false});
  }
  for (const PlannedLinear& linear : candidates) {
    const bool usual =
        std::find(method.places.begin(), method.places.end(), linear.place) != method.places.end();
    if (selection.takes(linear.path, usual)) {
      targets.push_back(linear);
    }
  }
  return targets;
}

namespace {

MethodSizes sizes_without_head(const Method& method, const Json& adapter, const ModelSizes& model) {
  MethodSizes sizes;
  if (method.parameters_elsewhere != nullptr) {
    sizes.trainable = method.parameters_elsewhere(adapter, model);
    sizes.stored = sizes.trainable;
  }
  if (method.stored_elsewhere != nullptr) {
    sizes.stored = method.stored_elsewhere(adapter, model);
  }
  if (method.parameters_beside == nullptr) {
    return sizes;
  }
  const auto stored =
      method.stored_beside != nullptr ? method.stored_beside : method.parameters_beside;
  for (const PlannedLinear& target : planned_targets(method, adapter, model)) {
    const Json own = seen_by(target, adapter);
    sizes.trainable += method.parameters_beside(own, target);
    sizes.stored += stored(own, target);
  }
  return sizes;
}

}  // namespace

MethodSizes method_sizes(const Method& method, const Json& adapter, const ModelSizes& model) {
  MethodSizes sizes = sizes_without_head(method, adapter, model);
  if (is_for_classifier(adapter)) {
    sizes.trainable += model.class_head;
    sizes.stored += model.class_head;
  }
  return sizes;
}

}  // namespace peft
