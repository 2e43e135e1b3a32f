#include "peft/methods/weighted_sum.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <cmath>
#include <set>

#include "peft/methods/task_arithmetic.h"

namespace peft {
namespace {

/// One adapter's share of a module.
struct Share {
  const LowRank* update;
  double weight;
};

std::vector<Share> shares_of(const std::string& path, const std::vector<LoraFile>& adapters,
                             const std::vector<double>& weights) {
  std::vector<Share> shares;
  for (size_t i = 0; i < adapters.size(); ++i) {
    if (const NamedUpdate* const entry = adapters[i].find(path)) {
      shares.push_back({&entry->update, weights[i]});
    }
  }
  return shares;
}

void check_plain(const LoraFile& lora, const std::string& name) {
  const Json init = lora.config.at("init_lora_weights");
  check<UsageError>(lora.config.at("use_dora") == false && init != "pissa" && init != "olora",
                    "{}: {} is not a plain LoRA; make it one first: peft adapters convert {} --out "
                    "DIR --model BASE",
                    name, init.is_string() ? init.get<std::string>() : "DoRA", name);
  check<UsageError>(lora.others.empty(),
                    "{}: holds more than A and B, which no weighted sum knows: {}", name,
                    lora.others.empty() ? "" : lora.others.front().first);
  check<UsageError>(!lora.updates.empty(), "{}: holds no A and B", name);
}

void check_shapes(const std::string& path, const std::vector<Share>& shares, bool same_ranks) {
  for (const Share& share : shares) {
    const LowRank& first = *shares.front().update;
    const LowRank& own = *share.update;
    check<UsageError>(own.a.size(1) == first.a.size(1) && own.b.size(0) == first.b.size(0),
                      "{}: the adapters are for different models: ({}, {}) and ({}, {})", path,
                      first.b.size(0), first.a.size(1), own.b.size(0), own.a.size(1));
    check<UsageError>(!same_ranks || own.rank() == first.rank(),
                      "{}: ranks {} and {}: this method needs the same; --method cat and the *_svd "
                      "methods do not",
                      path, first.rank(), own.rank());
  }
}

/// The random numbers that PEFT draws before DARE's: for the start values of the new adapter, which
/// it then overwrites.
void pass_over_start_values(const std::vector<NamedUpdate>& modules, int64_t rank, const Json& init,
                            at::Generator& generator) {
  const at::TensorOptions options(at::kFloat);
  for (const NamedUpdate& entry : modules) {
    const int64_t in = entry.update.a.size(1);
    const int64_t out = entry.update.b.size(0);
    if (entry.is_embedding) {
      at::randn({rank, in}, generator, options);
      at::randn({out, rank}, generator, options);
      at::empty({out, rank}, options).normal_(0.0, 1.0, generator);
      continue;
    }
    at::empty({rank, in}, options).uniform_(-1.0, 1.0, generator);
    at::empty({out, rank}, options).uniform_(-1.0, 1.0, generator);
    const Tensor a = at::empty({rank, in}, options);
    init == "gaussian" ? a.normal_(0.0, 1.0, generator) : a.uniform_(-1.0, 1.0, generator);
    if (init == false) {
      at::empty({out, rank}, options).uniform_(-1.0, 1.0, generator);
    }
  }
}

/// Of numbers in double precision, as torch.tensor makes it from Python's.
Tensor float32_of(const std::vector<double>& values) {
  return at::tensor(values, at::kDouble).to(at::kFloat);
}

/// A with A and B with B; each factor carries the root of weight and scale, and A the sign.
LowRank sum_of_factors(const std::vector<Share>& shares, const TaskRules& rules,
                       at::Generator& generator) {
  std::vector<Tensor> a;
  std::vector<Tensor> b;
  std::vector<double> roots;
  std::vector<double> signed_roots;
  for (const Share& share : shares) {
    const double factor = share.weight * share.update->scale;
    a.push_back(share.update->a);
    b.push_back(share.update->b);
    roots.push_back(std::sqrt(std::abs(factor)));
    signed_roots.push_back(factor >= 0.0 ? roots.back() : -roots.back());
  }
  const Tensor new_a = combined(a, float32_of(signed_roots), rules, generator);
  return {new_a, combined(b, float32_of(roots), rules, generator), 1.0};
}

LowRank exact_sum(const std::vector<Share>& shares) {
  std::vector<LowRank> scaled;
  for (const Share& share : shares) {
    scaled.push_back(*share.update);
    scaled.back().scale *= share.weight;
  }
  return stacked(scaled);
}

/// `transposed`: the host stores its matrix as (in, out), and in that order numbers are drawn.
LowRank sum_of_products(const std::vector<Share>& shares, const TaskRules& rules, int64_t rank,
                        bool transposed, at::Generator& generator) {
  if (rules.pruning == Pruning::kNone && !rules.elects_signs) {
    return nearest(exact_sum(shares), rank);
  }
  std::vector<Tensor> products;
  std::vector<double> weights;
  for (const Share& share : shares) {
    const Tensor product = share.update->product();
    products.push_back(transposed ? product.t() : product);
    weights.push_back(share.weight);
  }
  const Tensor sum = combined(products, float32_of(weights), rules, generator);
  return nearest(transposed ? sum.t() : sum, rank);
}

std::vector<NamedUpdate> all_modules(const std::vector<LoraFile>& adapters) {
  std::vector<NamedUpdate> modules;
  std::set<std::string> seen;
  for (const LoraFile& lora : adapters) {
    for (const NamedUpdate& entry : lora.updates) {
      if (seen.insert(entry.path).second) {
        modules.push_back(entry);
      }
    }
  }
  sort_by_module(modules);
  return modules;
}

/// Whether one list of names selects what the adapters' own lists select, and that list.
bool joins_targets(const std::vector<LoraFile>& adapters, Json& names) {
  std::set<std::string> all;
  for (const LoraFile& lora : adapters) {
    const Json& targets = lora.config.at("target_modules");
    if (!targets.is_array() || !lora.config.at("layers_to_transform").is_null() ||
        !lora.config.at("exclude_modules").is_null()) {
      return false;
    }
    const auto own = targets.get<std::vector<std::string>>();
    all.insert(own.begin(), own.end());
  }
  names = all;
  return true;
}

}  // namespace

LoraFile weighted_sum(const std::vector<LoraFile>& adapters, const std::vector<std::string>& names,
                      const SumOptions& options) {
  int64_t largest = 0;
  for (size_t i = 0; i < adapters.size(); ++i) {
    check_plain(adapters[i], names[i]);
    largest = std::max(largest, adapters[i].rank());
  }
  const Combination combination =
      adapters.size() == 1 ? find_combination("linear") : options.combination;
  const int64_t rank = options.rank > 0 ? options.rank : largest;
  const TaskRules rules{combination.pruning, options.density, combination.elects_signs,
                        options.counts_signs};
  const bool products = combination.what == Combined::kProducts;

  LoraFile result{adapters.front().config, all_modules(adapters), {}};
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(options.seed);
  pass_over_start_values(result.updates, products ? rank : largest,
                         result.config.at("init_lora_weights"), generator);
  for (NamedUpdate& entry : result.updates) {
    const std::vector<Share> shares = shares_of(entry.path, adapters, options.weights);
    check_shapes(entry.path, shares, combination.what == Combined::kFactors);
    const bool transposed = entry.is_embedding || result.config.at("fan_in_fan_out") == true;
    entry.update = products ? sum_of_products(shares, rules, rank, transposed, generator)
                   : combination.what == Combined::kStacked
                       ? exact_sum(shares)
                       : sum_of_factors(shares, rules, generator);
  }
  result.config["init_lora_weights"] = true;
  const bool joined = joins_targets(adapters, result.config["target_modules"]);
  settle_config(result, joined);
  return result;
}

std::vector<double> distances_from_sum(const LoraFile& result,
                                       const std::vector<LoraFile>& adapters,
                                       const std::vector<double>& weights) {
  std::vector<double> distances;
  for (const NamedUpdate& entry : result.updates) {
    distances.push_back(
        relative_error(entry.update, exact_sum(shares_of(entry.path, adapters, weights))));
  }
  return distances;
}

}  // namespace peft
