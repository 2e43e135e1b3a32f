#include "peft/plan/adapter_sizes.h"

#include <set>

#include "peft/config/method_sizes.h"
#include "peft/config/run_task.h"
#include "peft/util/text.h"

namespace peft {
namespace {

/// What a method without targets among the projections keeps.
void plan_blocks(const Method& method, const Json& adapter, const ModelSizes& model,
                 AdapterSizes& sizes) {
  if (method.kept_by_block == nullptr) {
    return;
  }
  for (int64_t layer = 0; layer < model.layers; ++layer) {
    sizes.blocks[static_cast<size_t>(layer)] = method.kept_by_block(adapter, model, layer);
  }
  const bool prompt = !sizes.blocks.empty() && sizes.blocks.front().below;
  sizes.virtual_tokens = prompt ? adapter.value("num_virtual_tokens", int64_t{0}) : 0;
}

int64_t rank_of(const Json& own) {
  const auto rank = own.find(own.contains("init_r") ? "init_r" : "r");
  return rank != own.end() && rank->is_number_integer() ? rank->get<int64_t>() : 0;
}

void plan_target(const Method& method, const Json& own, const PlannedLinear& linear,
                 AdapterSizes& sizes) {
  sizes.targets.push_back({linear, rank_of(own), method.parameters_beside(own, linear)});
  sizes.parameters += sizes.targets.back().parameters;
  if (linear.layer < static_cast<int64_t>(sizes.blocks.size())) {
    sizes.blocks[static_cast<size_t>(linear.layer)].targets[linear.place] =
        method.kept_by_target != nullptr ? method.kept_by_target(own, linear) : TargetUse{};
  }
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
  sizes.blocks.resize(static_cast<size_t>(model.layers));
  plan_blocks(*method, adapter, model, sizes);
  if (method->parameters_elsewhere != nullptr) {
    sizes.parameters = method->parameters_elsewhere(adapter, model);
  }
  if (is_for_classifier(adapter)) {
    sizes.parameters += model.class_head;
    sizes.in_place = model.class_head;
  }
  if (method->parameters_beside == nullptr) {
    return sizes;
  }
  for (const PlannedLinear& linear : planned_targets(*method, adapter, model)) {
    plan_target(*method, seen_by(linear, adapter), linear, sizes);
  }
  check<UsageError>(!sizes.targets.empty(),
                    "adapter.target_modules: {} matches no module; available: {}; \"all-linear\" "
                    "would pick {} modules",
                    json_excerpt(adapter.at("target_modules")), names_of(model),
                    model.linears.size());
  return sizes;
}

}  // namespace peft
