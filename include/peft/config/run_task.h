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

/// With model.num_labels, labels that are numbers below it stand for themselves, also where rows of
/// some of them are missing. Before held-out rows are read by the same names.
void settle_labels(Dataset& train, const Json& num_labels);

/// Why no new head can be made for the labels of the training rows; empty: it can.
std::string head_refusal(const Json& num_labels, const std::vector<std::string>& labels);

/// Gives the base a new head for these labels. Throws DataError.
void give_class_head(HfDirectory& base, const Json& num_labels,
                     const std::vector<std::string>& labels);

/// Whether an adapter's section or file is for a classifier: task_type SEQ_CLS.
bool is_for_classifier(const Json& adapter);

/// An adapter section that trains the classification head too, as PEFT writes it.
void save_class_head(Json& adapter);

}  // namespace peft
