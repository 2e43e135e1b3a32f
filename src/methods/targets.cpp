#include "peft/methods/targets.h"

#include <algorithm>
#include <set>
#include <stdexcept>

#include "peft/util/pattern.h"
#include "peft/util/text.h"

namespace peft {
namespace {

bool is_all_linear(const Json& modules) {
  return modules.is_string() && lower_ascii(modules.get<std::string>()) == "all-linear";
}

Pattern compile(const std::string& expression, const char* key) {
  try {
    return Pattern(expression);
  } catch (const std::invalid_argument& problem) {
    fail<UsageError>("adapter.{}: \"{}\": {}", key, expression, problem.what());
  }
}

bool is_named(const std::string& path, const std::string& entry) {
  return path == entry || path.ends_with("." + entry);
}

/// Index of the layer a path belongs to: the number behind the first container (of `patterns`, if
/// given), or nothing.
std::optional<int64_t> layer_of(const std::string& path, const std::vector<std::string>& patterns) {
  const std::vector<std::string> parts = split(path, '.');
  for (size_t i = 1; i < parts.size(); ++i) {
    const bool number =
        !parts[i].empty() && parts[i].size() < 10 &&
        std::all_of(parts[i].begin(), parts[i].end(), [](char c) { return c >= '0' && c <= '9'; });
    const bool container = patterns.empty() || std::find(patterns.begin(), patterns.end(),
                                                         parts[i - 1]) != patterns.end();
    if (number && container) {
      return std::stoll(parts[i]);
    }
  }
  return std::nullopt;
}

/// One selection: a list or an expression, ready to be asked for many paths.
class Selection {
 public:
  Selection(const Json& modules, const char* key) : all_linear_(is_all_linear(modules)) {
    if (modules.is_array()) {
      for (const Json& entry : modules) {
        check<UsageError>(entry.is_string(), "adapter.{}: expected names, found {}", key,
                          json_excerpt(entry));
        entries_.push_back(entry.get<std::string>());
      }
    } else if (modules.is_string() && !all_linear_) {
      expression_.emplace(compile(modules.get<std::string>(), key));
    } else {
      check<UsageError>(modules.is_null() || all_linear_,
                        "adapter.{}: expected a list of names or a regular expression, found {}",
                        key, json_excerpt(modules));
    }
  }

  bool takes(const std::string& path) const {
    if (all_linear_ || (expression_ && expression_->full_match(path))) {
      return true;
    }
    return std::any_of(entries_.begin(), entries_.end(),
                       [&](const std::string& entry) { return is_named(path, entry); });
  }
  bool takes_whole_name(const std::string& path) const {
    return std::find(entries_.begin(), entries_.end(), path) != entries_.end();
  }
  bool is_list() const { return !entries_.empty(); }
  bool is_expression() const { return expression_.has_value(); }

 private:
  bool all_linear_;
  std::vector<std::string> entries_;
  std::optional<Pattern> expression_;
};

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

TargetConfig TargetConfig::from(const Json& adapter) {
  TargetConfig config;
  const auto member = [&](const char* key) {
    return adapter.contains(key) ? adapter.at(key) : Json();
  };
  config.target_modules = member("target_modules");
  config.exclude_modules = member("exclude_modules");
  const Json layers = member("layers_to_transform");
  if (layers.is_number_integer()) {
    config.layers_to_transform = {layers.get<int64_t>()};
  } else if (layers.is_array()) {
    config.layers_to_transform = layers.get<std::vector<int64_t>>();
  }
  const Json pattern = member("layers_pattern");
  if (pattern.is_string()) {
    config.layers_pattern = {pattern.get<std::string>()};
  } else if (pattern.is_array()) {
    config.layers_pattern = pattern.get<std::vector<std::string>>();
  }
  return config;
}

std::vector<NamedLinear> find_targets(const CausalLM& model, const TargetConfig& config) {
  const Selection wanted(config.target_modules, "target_modules");
  const Selection excluded(config.exclude_modules, "exclude_modules");
  check<UsageError>(config.layers_to_transform.empty() || !wanted.is_expression(),
                    "adapter.layers_to_transform: cannot be combined with a regular expression in "
                    "target_modules");
  std::vector<NamedLinear> candidates = model.projections();
  const std::vector<std::string> available = last_components(candidates);
  if (!is_all_linear(config.target_modules)) {
    candidates.push_back({"lm_head", Role::kHead, &model.head()});
  }
  std::vector<NamedLinear> targets;
  for (const NamedLinear& linear : candidates) {
    const bool taken =
        config.target_modules.is_null() ? is_default_target(linear) : wanted.takes(linear.path);
    const auto layer = layer_of(linear.path, config.layers_pattern);
    const bool in_layer =
        config.layers_to_transform.empty() || wanted.takes_whole_name(linear.path) ||
        (layer && std::find(config.layers_to_transform.begin(), config.layers_to_transform.end(),
                            *layer) != config.layers_to_transform.end());
    if (taken && in_layer && !excluded.takes(linear.path)) {
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
  if (!target_modules.is_null() && !is_all_linear(target_modules)) {
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

std::optional<Json> pattern_value(const Json& pattern, const std::string& path) {
  if (!pattern.is_object()) {
    return std::nullopt;
  }
  for (const auto& [key, value] : pattern.items()) {
    if (compile("(.*\\.)?(" + key + ")", "rank_pattern").full_match(path)) {
      return value;
    }
  }
  return std::nullopt;
}

}  // namespace peft
