#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "peft/io/hf_directory.h"
#include "peft/models/causal_lm.h"

namespace peft {

/// What an architecture's builder needs: where fields come from and where tensors go.
struct ModelBlueprint {
  const Json& config;
  std::string where;          ///< "DIR/config.json", for messages
  at::TensorOptions options;  ///< dtype and device of every tensor
  bool tied = false;          ///< the head is the token embedding
};

/// One architecture: its model_type values, one class and the facts its files differ in.
struct Architecture {
  const char* model_type;
  const char* class_name;  ///< "LlamaForCausalLM"
  const char* prefix;      ///< outer prefix that a bare backbone's file lacks ("model.")
  const char* embedding;   ///< name of the token embedding's weight
  bool tied_by_default;    ///< tie_word_embeddings when the config does not say
  std::unique_ptr<CausalLM> (*build)(const ModelBlueprint&);
};

/// Every architecture there is, one line each.
const std::vector<Architecture>& architectures();

/// The architecture of a config's model_type. Throws ModelError with the known ones.
const Architecture& find_architecture(const std::string& model_type, const std::string& where);

}  // namespace peft
