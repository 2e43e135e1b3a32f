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

/// More classes than any head has.
inline constexpr int64_t kMostClasses = 1'000'000;

/// Names of the classes that the head of a "...ForSequenceClassification" tells apart, in the
/// head's order: those of id2label, else "LABEL_0", ... for num_labels, else for 2. One is a number
/// to predict (regression). None: a language model's config.
std::vector<std::string> class_labels(const Json& config);

/// The config of the same model with a new classification head in its head's place. Labels that are
/// the numbers of their places need no names.
Json with_class_head(Json config, const ModelFamily& family,
                     const std::vector<std::string>& labels);

/// Whether a model of this type has no head but a classifier's here: encoders.
bool only_classifies(const std::string& model_type);

/// Positions of a config's table that no token of a text has: RoBERTa's begin behind that of the
/// padding token.
int64_t positions_before_text(const Json& config);

/// The modules that are a classification head in one family or another, as PEFT knows them.
const std::vector<std::string>& class_head_names();

/// Whether a tensor is part of a classification head: "score.weight".
bool is_class_head(const std::string& tensor);

/// Whether a tensor is part of a head that a model with a classification head has no use for.
bool is_other_head(const std::string& tensor, const std::string& model_type);

}  // namespace peft
