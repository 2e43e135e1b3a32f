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

}  // namespace

std::vector<NamedLinear> find_targets(const CausalLM& model, const TargetConfig& config,
                                      const std::vector<Place>& usual) {
  const TargetSelection selection(config);
  std::vector<NamedLinear> candidates = model.projections();
  const std::vector<std::string> available = last_components(candidates);
  if (!config.is_all_linear()) {
    candidates.push_back({"lm_head", &model.head()});
  }
  std::vector<NamedLinear> targets;
  for (const NamedLinear& linear : candidates) {
    const bool is_usual =
        std::find(usual.begin(), usual.end(), linear.linear->place()) != usual.end();
    if (selection.takes(linear.path, is_usual)) {
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
  const TargetConfig config{modules, {}, {}, {}};
  return !config.is_all_linear() && TargetSelection(config).takes(path, /*is_default=*/false);
}

std::vector<std::string> unmatched_names(const CausalLM& model, const Json& target_modules) {
  std::vector<std::string> unmatched;
  if (!target_modules.is_array()) {
    return unmatched;
  }
  std::vector<std::string> paths = {"lm_head"};
  for (const auto& module : model.named_modules("", /*include_self=*/false)) {
    paths.push_back(module.key());
  }
  for (const Json& name : target_modules) {
    const Json alone = Json::array({name});
    if (std::none_of(paths.begin(), paths.end(),
                     [&](const std::string& path) { return selects(alone, path); })) {
      unmatched.push_back(name.get<std::string>());
    }
  }
  return unmatched;
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
