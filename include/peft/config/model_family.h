#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "peft/util/json.h"

namespace peft {

/// What the files of one model type differ in.
struct ModelFamily {
  const char* model_type;  ///< of config.json: "llama"
  const char* class_name;  ///< "LlamaForCausalLM"
  const char* prefix;      ///< outer prefix that a bare backbone's file lacks: "model."
  const char* embedding;   ///< the token embedding's weight: "model.embed_tokens.weight"
  bool tied_by_default;    ///< tie_word_embeddings when config.json does not say
};

/// Every model type there is, one line each.
const std::vector<ModelFamily>& model_families();

/// The family of a config's model_type. Throws ModelError with the known ones and `where` in front.
const ModelFamily& find_family(const std::string& model_type, const std::string& where);

/// Rows of the classification head that a config's architecture has
/// ("...ForSequenceClassification": as many as id2label names, else num_labels, else 2); 0: it is a
/// language model's.
int64_t class_count(const Json& config);

}  // namespace peft
