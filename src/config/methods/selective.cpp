#include "peft/config/target_selection.h"
#include "tables.h"

namespace peft {
namespace {

using enum ValueType;

bool is_block_norm(const std::string& module) {
  const std::string leaf = module.substr(module.rfind('.') + 1);
  return (leaf.starts_with("ln_") || leaf.ends_with("norm") || leaf == "LayerNorm") &&
         leaf != "q_norm" && leaf != "k_norm";
}

int64_t norm_parameters(const Json& adapter, const ModelSizes& model) {
  const TargetSelection selection(TargetConfig::from(adapter));
  int64_t count = saved_module_parameters(adapter, model);
  for (const auto& [name, elements] : model.elements) {
    const std::string module = name.substr(0, name.rfind('.'));
    count += is_block_norm(module) && selection.takes(module, true) ? elements : 0;
  }
  return count;
}

int64_t bias_parameters(const Json& adapter, const ModelSizes& model) {
  int64_t count = saved_module_parameters(adapter, model);
  for (const auto& [name, elements] : model.elements) {
    count += name.ends_with(".bias") ? elements : 0;
  }
  return count;
}

int64_t full_parameters(const Json& adapter, const ModelSizes& model) {
  const TargetSelection selection(TargetConfig::from(adapter));
  int64_t count = 0;
  for (const auto& [name, elements] : model.elements) {
    count += selection.takes(name.substr(0, name.rfind('.')), true) ? elements : 0;
  }
  return count;
}

BlockUse kept_by_norms(const Json& /*adapter*/, const ModelSizes& /*model*/, int64_t /*layer*/) {
  return {.norms = true};
}

/// A bias needs nothing but the gradient of its output.
BlockUse kept_by_biases(const Json& /*adapter*/, const ModelSizes& model, int64_t layer) {
  BlockUse use = {.norms = model.layer_norms};
  for (const PlannedLinear& linear : model.linears) {
    if (linear.layer == layer && linear.has_bias) {
      use.targets[linear.place] = {.input = false};
    }
  }
  return use;
}

/// Whole weights: the input of each.
BlockUse kept_by_full(const Json& adapter, const ModelSizes& model, int64_t layer) {
  const TargetSelection selection(TargetConfig::from(adapter));
  const bool all = adapter.at("target_modules").is_null();
  BlockUse use = {.below = all, .norms = all};
  for (const PlannedLinear& linear : model.linears) {
    if (linear.layer == layer && selection.takes(linear.path, true)) {
      use.targets[linear.place] = {.repeats = false};
    }
  }
  return use;
}

/// The targets of FULL are any modules; all is the usual.
std::vector<Key> full_keys() {
  std::vector<Key> keys = targeting_keys();
  Key& targets = keys.front();
  targets.fallback = nullptr;
  targets.aliases.clear();
  targets.summary =
      "modules that train: a list of name endings, or a regular expression over the "
      "whole name";
  targets.automatic = "all";
  return keys;
}

}  // namespace

Method ln_tuning_method() {
  return {.name = "ln_tuning",
          .peft_type = "LN_TUNING",
          .kind = "selective",
          .summary = "only the norms train",
          .mergeable = true,
          .served_by = {"PEFT"},
          .learning_rate = 1e-3,
          .keys = joined({own_target_keys("every norm of the blocks and the last one"),
                          modules_to_save_keys()}),
          .parameters_elsewhere = norm_parameters,
          .kept_by_block = kept_by_norms};
}

Method bitfit_method() {
  return {.name = "bitfit",
          .peft_type = "BITFIT",
          .kind = "selective",
          .summary = "only the biases train; for models that have some",
          .mergeable = true,
          .served_by = {"PEFT"},
          .learning_rate = 1e-3,
          .keys = modules_to_save_keys(),
          .parameters_elsewhere = bias_parameters,
          .kept_by_block = kept_by_biases};
}

Method full_method() {
  return {.name = "full",
          .peft_type = "FULL",
          .kind = "selective",
          .summary = "the whole model trains, or chosen modules: what the others are measured by",
          .mergeable = true,
          .served_by = {},
          .learning_rate = 2e-5,
          .keys = full_keys(),
          .parameters_elsewhere = full_parameters,
          .kept_by_block = kept_by_full};
}

}  // namespace peft
