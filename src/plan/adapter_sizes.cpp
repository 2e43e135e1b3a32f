#include "peft/plan/adapter_sizes.h"

#include <set>

#include "peft/config/methods.h"
#include "peft/config/target_selection.h"
#include "peft/util/text.h"

namespace peft {
namespace {

bool is_default_target(Place place) {
  return place == Place::kQuery || place == Place::kValue || place == Place::kQueryKeyValue;
}

std::vector<PlannedLinear> candidates_of(const ModelSizes& model, const TargetConfig& config) {
  std::vector<PlannedLinear> all = model.linears;
  if (!config.is_all_linear()) {
    all.push_back({"lm_head", Place::kHead, model.layers, model.hidden, model.vocabulary});
  }
  return all;
}

int64_t rank_of(const Json& adapter, const std::string& path) {
  const Json rank = adapter.value("r", Json(0));
  const Json pattern = adapter.value("rank_pattern", Json());
  return pattern_value(pattern, path).value_or(rank).get<int64_t>();
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
  const TargetConfig config = TargetConfig::from(adapter);
  const TargetSelection selection(config);
  AdapterSizes sizes;
  sizes.drops_inputs = adapter.value("lora_dropout", 0.0) > 0.0;
  for (const PlannedLinear& linear : candidates_of(model, config)) {
    if (!selection.takes(linear.path, is_default_target(linear.place))) {
      continue;
    }
    Json own = adapter;
    const int64_t rank = rank_of(adapter, linear.path);
    own["r"] = rank;
    sizes.targets.push_back({linear, rank, method->parameters(own, linear.out, linear.in)});
    sizes.parameters += sizes.targets.back().parameters;
  }
  check<UsageError>(!sizes.targets.empty(),
                    "adapter.target_modules: {} matches no module; available: {}; \"all-linear\" "
                    "would pick {} modules",
                    json_excerpt(config.target_modules), names_of(model), model.linears.size());
  return sizes;
}

}  // namespace peft
