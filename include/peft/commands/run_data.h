#pragma once

#include "peft/commands/open_model.h"

namespace peft {

/// The rows of a run.
struct RunData {
  Dataset train;
  std::vector<Example> held_out;
  Json report;                                    // of both, for run_report.json
  std::function<void()> give_back_held_out = {};  // Dataset::give_back

  void give_back() const {
    for (const auto* part : {&train.give_back, &give_back_held_out}) {
      if (*part) {
        (*part)();
      }
    }
  }
};

/// Settles what a run is for and reads its rows: before the model, whose new classification head
/// has a row for each of their labels; the base gets it here. Throws UsageError, DataError.
RunData read_run_data(Json& config, Json& origin, HfDirectory& base, const TextSide& text);

}  // namespace peft
