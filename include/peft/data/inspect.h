#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "peft/data/dataset.h"

namespace peft {

/// How `show_example` prints.
struct ShowOptions {
  bool colour = false;  ///< for a terminal: trained tokens green, masked dim, dropped struck out
  bool ids = false;     ///< one line per token with its id instead of running text
  std::vector<std::filesystem::path> files = {};  ///< the data set's files, for the header line
  std::map<int64_t, std::vector<int32_t>> cut_off = {};  ///< Dataset::cut_off
  std::vector<std::string> label_names = {};             ///< Dataset::label_names
  Task task = Task::kLanguageModel;
};

/// One example for a person. Without colour trained spans stand between ⟦ and ⟧, and what was cut
/// off between ⟪ and ⟫; "0.5× " stands before what counts that much. Control characters are
/// escaped; a line break of the row is shown as \n and also breaks the line.
std::string show_example(const Example& example, const Tokenizer& tokenizer,
                         const ShowOptions& options);

/// Totals of a data set, one fact per line.
std::string show_report(const DataReport& report);

/// The same as JSON: ids, labels, and the spans with their text and whether they are trained.
Json example_json(const Example& example, const Tokenizer& tokenizer, const ShowOptions& options);

/// The first examples of a data set, as example_json without ids and labels: for a run's report.
/// None when the tokenizer reads no text.
Json sample_json(const Dataset& dataset, const Tokenizer& tokenizer, size_t count);

/// Every field of a report under its own name.
Json report_json(const DataReport& report);

}  // namespace peft
