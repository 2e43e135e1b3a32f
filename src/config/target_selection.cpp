#include "peft/config/target_selection.h"

#include <algorithm>
#include <stdexcept>

#include "peft/util/pattern.h"
#include "peft/util/text.h"

namespace peft {
namespace {

bool names_all_linear(const Json& modules) {
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

}  // namespace

/// One of the two keys: a list or an expression.
class TargetSelection::Names {
 public:
  Names(const Json& modules, const char* key) : all_linear_(names_all_linear(modules)) {
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
  bool is_expression() const { return expression_.has_value(); }

 private:
  bool all_linear_;
  std::vector<std::string> entries_;
  std::optional<Pattern> expression_;
};

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

bool TargetConfig::is_all_linear() const {
  return names_all_linear(target_modules);
}

TargetSelection::TargetSelection(const TargetConfig& config)
    : config_(config),
      wanted_(std::make_unique<Names>(config.target_modules, "target_modules")),
      excluded_(std::make_unique<Names>(config.exclude_modules, "exclude_modules")) {
  check<UsageError>(config.layers_to_transform.empty() || !wanted_->is_expression(),
                    "adapter.layers_to_transform: cannot be combined with a regular expression in "
                    "target_modules");
}

TargetSelection::~TargetSelection() = default;

bool TargetSelection::takes(const std::string& path, bool is_default) const {
  const bool taken = config_.target_modules.is_null() ? is_default : wanted_->takes(path);
  const std::vector<int64_t>& layers = config_.layers_to_transform;
  const auto layer = layer_of(path, config_.layers_pattern);
  const bool in_layer = layers.empty() || wanted_->takes_whole_name(path) ||
                        (layer && std::find(layers.begin(), layers.end(), *layer) != layers.end());
  return taken && in_layer && !excluded_->takes(path);
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
