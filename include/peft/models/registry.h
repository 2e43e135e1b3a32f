#pragma once

#include <memory>
#include <string>

#include "peft/config/model_family.h"
#include "peft/models/causal_lm.h"
#include "peft/util/json.h"

namespace peft {

/// What an architecture's builder needs: where fields come from and where tensors go.
struct ModelBlueprint {
  const ModelFamily& family;
  const Json& config;
  std::string where;                     ///< "DIR/config.json", for messages
  at::TensorOptions options;             ///< dtype and device of every tensor
  bool tied = false;                     ///< the head is the token embedding
  std::vector<std::string> labels = {};  ///< of a classification head; none: a language model
};

/// Builds the model with uninitialised tensors. Throws ModelError for a config it does not support.
std::unique_ptr<CausalLM> build_architecture(const ModelBlueprint& blueprint);

}  // namespace peft
