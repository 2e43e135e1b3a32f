#include "peft/training/selection.h"

namespace peft {

bool Selection::add(int64_t step, double figure, bool larger_is_better) {
  evaluated_step = step;
  const bool better =
      !best ? figure == figure : (larger_is_better ? figure > *best : figure < *best);
  if (better) {
    best = figure;
    best_step = step;
    without_improvement = 0;
  } else {
    ++without_improvement;
  }
  return better;
}

Json selection_json(const Selection& selection) {
  return {{"best", selection.best ? Json(*selection.best) : Json()},
          {"best_step", selection.best_step},
          {"without_improvement", selection.without_improvement},
          {"evaluated_step", selection.evaluated_step}};
}

Selection read_selection(const Json& json, const std::string& where) {
  Selection selection;
  JsonReader<IntegrityError> reader(json, where + ": selection");
  reader.read("best", selection.best);
  reader.require("best_step", selection.best_step);
  reader.require("without_improvement", selection.without_improvement);
  reader.require("evaluated_step", selection.evaluated_step);
  reader.finish();
  return selection;
}

}  // namespace peft
