#include "peft/methods/targets.h"

#include <algorithm>
#include <set>

namespace peft {
namespace {

std::vector<std::string> last_components(const std::vector<NamedLinear>& linears) {
  std::set<std::string> names;
  for (const NamedLinear& linear : linears) {
    names.insert(linear.path.substr(linear.path.rfind('.') + 1));
  }
  return {names.begin(), names.end()};
}

/// What PEFT adapts when a config names nothing: q_proj and v_proj, or GPT-2's c_attn.
bool is_default_target(const NamedLinear& linear) {
  return linear.role == Role::kQuery || linear.role == Role::kValue ||
         linear.role == Role::kQueryKeyValue;
}

}  // namespace

std::vector<NamedLinear> find_targets(const CausalLM& model, const TargetConfig& config) {
  const TargetSelection selection(config);
  std::vector<NamedLinear> candidates = model.projections();
  const std::vector<std::string> available = last_components(candidates);
  if (!config.is_all_linear()) {
    candidates.push_back({"lm_head", Role::kHead, &model.head()});
  }
  std::vector<NamedLinear> targets;
  for (const NamedLinear& linear : candidates) {
    if (selection.takes(linear.path, is_default_target(linear))) {
      targets.push_back(linear);
    }
  }
  check<UsageError>(!targets.empty(),
                    "adapter.target_modules: {} matches no module of {}; available: {}; "
                    "\"all-linear\" would pick {} modules",
                    json_excerpt(config.target_modules), model.shape().architecture,
                    fmt::join(available, ", "), model.projections().size());
  return targets;
}

bool selects(const Json& modules, const std::string& path) {
  return !modules.is_null() && !is_all_linear(modules) &&
         Selection(modules, "target_modules").takes(path);
}

Json saved_target_modules(const Json& target_modules, const std::vector<NamedLinear>& targets) {
  if (!target_modules.is_null() && !TargetConfig{target_modules, {}, {}, {}}.is_all_linear()) {
    return target_modules;
  }
  if (target_modules.is_null() || targets.size() >= 20) {
    return last_components(targets);
  }
  Json names = Json::array();
  for (const NamedLinear& target : targets) {
    names.push_back(target.path);
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace peft
