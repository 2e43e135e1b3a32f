#pragma once

#include <string>
#include <vector>

#include "peft/models/causal_lm.h"
#include "peft/util/json.h"

namespace peft {

/// A part of the host by its checkpoint name.
struct NamedPart {
  std::string path;
  const torch::nn::Module* module;
};

/// Modules whose name ends with an entry of `endings` (a list), as PEFT matches modules_to_save:
/// without regard to dots. Throws UsageError for an entry without a match; of the names that heads
/// of classifiers have in one family or another, one is enough.
std::vector<NamedPart> parts_ending_with(const CausalLM& model, const Json& endings,
                                         const std::string& key);

/// The token embedding's module name: "model.embed_tokens".
std::string embedding_path(const CausalLM& model);

/// Names of the host's parameters that end with `ending` (".bias"), in the checkpoint's order.
std::vector<std::string> parameters_ending_with(const CausalLM& model, const std::string& ending);

}  // namespace peft
