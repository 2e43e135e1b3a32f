#pragma once

#include <string>
#include <vector>

#include "peft/config/target_selection.h"
#include "peft/models/causal_lm.h"
#include "peft/util/json.h"

namespace peft {

/// The selected projections in the checkpoint's order; "all-linear" leaves the head out, and a
/// config that names nothing means the roles `usual`. Throws UsageError when nothing matches, with
/// the names that are there.
std::vector<NamedLinear> find_targets(const CausalLM& model, const TargetConfig& config,
                                      const std::vector<Place>& usual = {
                                          Place::kQuery, Place::kValue, Place::kQueryKeyValue});

/// Whether a selection (a list or an expression; not "all-linear") takes the module `path`.
bool selects(const Json& modules, const std::string& path);

/// Names of a list of target modules that no module of the model has: PEFT passes over them in
/// silence, and half of what was meant is trained.
std::vector<std::string> unmatched_names(const CausalLM& model, const Json& target_modules);

/// How PEFT writes "all-linear" in a saved config: full names below 20 targets, last components
/// from there on. Other selections are kept as they are.
Json saved_target_modules(const Json& target_modules, const std::vector<NamedLinear>& targets);

}  // namespace peft
