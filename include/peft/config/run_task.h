#pragma once

#include "peft/data/dataset.h"
#include "peft/io/hf_directory.h"
#include "peft/util/json.h"

namespace peft {

/// What a run's rows are for, and the labels that its model knows.
struct RunTask {
  Task task = Task::kLanguageModel;
  std::vector<std::string> labels;  ///< none with a classification: those of the rows

  /// Whether the model is yet to get its classification head.
  bool needs_head() const { return task != Task::kLanguageModel && labels.empty(); }
};

/// Settles adapter.task_type of a resolved config, and modules_to_save with it: SEQ_CLS for a base
/// with a classification head or one that can have no other, else CAUSAL_LM; model.num_labels 1
/// makes it a regression. `model_config`: the base's config.json. Throws UsageError where the two
/// contradict each other.
RunTask settle_task(Json& config, Json& origin, const Json& model_config);

/// Gives the base a new head for these labels. With model.num_labels there must be as many, or
/// numbers below it. Throws DataError.
void give_class_head(HfDirectory& base, const Json& num_labels, std::vector<std::string> labels);

/// An adapter section that trains the classification head too, as PEFT writes it.
void save_class_head(Json& adapter);

}  // namespace peft
