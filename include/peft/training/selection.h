#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "peft/util/json.h"

namespace peft {

/// Which checkpoint is the best, and whether the run has stopped getting better.
struct Selection {
  std::optional<double> best;       ///< figure of the best evaluation
  int64_t best_step = 0;            ///< optimizer steps done then
  int64_t without_improvement = 0;  ///< evaluations since
  int64_t evaluated_step = -1;      ///< optimizer steps done at the last evaluation

  /// Takes an evaluation's figure; a NaN never improves. Returns whether it is the best so far.
  bool add(int64_t step, double figure, bool larger_is_better);
  /// Whether early stopping ends the run.
  bool is_over(std::optional<int64_t> patience) const {
    return patience && without_improvement >= *patience;
  }
};

Json selection_json(const Selection& selection);
Selection read_selection(const Json& json, const std::string& where);

}  // namespace peft
