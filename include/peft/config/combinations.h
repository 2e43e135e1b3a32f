#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace peft {

/// Which numbers of an adapter are dropped before it is combined with others.
enum class Pruning {
  kNone,
  kSmallest,  ///< by magnitude: Yadav et al. 2023 (TIES)
  kRandom     ///< by chance; the rest is scaled up: Yu et al. 2024 (DARE)
};

/// What is combined.
enum class Combined {
  kFactors,   ///< A with A and B with B: fast and rough
  kStacked,   ///< the factors one behind the other: exact, the ranks add up
  kProducts,  ///< the products B A, and the result is brought back to a rank
};

/// A way to combine LoRA adapters, under the name it has in Hugging Face PEFT's
/// `add_weighted_adapter`.
struct Combination {
  std::string name;
  Combined what;
  Pruning pruning = Pruning::kNone;
  bool elects_signs = false;  ///< keeps, of each number, the adapters that agree on its sign
};

/// All of them, PEFT's default first.
const std::vector<Combination>& combinations();

/// Throws UsageError, naming the choices, when there is no such combination.
const Combination& find_combination(std::string_view name);

}  // namespace peft
