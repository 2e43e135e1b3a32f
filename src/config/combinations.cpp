#include "peft/config/combinations.h"

#include "peft/util/json.h"
#include "peft/util/text.h"

namespace peft {

const std::vector<Combination>& combinations() {
  using enum Combined;
  using enum Pruning;
  static const std::vector<Combination> all = {
      {"svd", kProducts},
      {"linear", kFactors},
      {"cat", kStacked},
      {"ties", kFactors, kSmallest, /*elects_signs=*/true},
      {"ties_svd", kProducts, kSmallest, /*elects_signs=*/true},
      {"dare_linear", kFactors, kRandom},
      {"dare_linear_svd", kProducts, kRandom},
      {"dare_ties", kFactors, kRandom, /*elects_signs=*/true},
      {"dare_ties_svd", kProducts, kRandom, /*elects_signs=*/true},
      {"magnitude_prune", kFactors, kSmallest},
      {"magnitude_prune_svd", kProducts, kSmallest},
  };
  return all;
}

const Combination& find_combination(std::string_view name) {
  std::vector<std::string> names;
  for (const Combination& combination : combinations()) {
    if (combination.name == name) {
      return combination;
    }
    names.push_back(combination.name);
  }
  fail<UsageError>("--method: expected {}, found \"{}\"{}", join(names, ", "), escaped(name),
                   did_you_mean(name, names));
}

}  // namespace peft
