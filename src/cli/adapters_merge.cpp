#include <CLI/CLI.hpp>
#include <memory>

#include "peft/cli/command.h"
#include "peft/cli/engine.h"
#include "peft/config/combinations.h"
#include "peft/util/text.h"

namespace peft {
namespace {

struct AdaptersMergeCommand {
  std::vector<std::string> adapters;
  std::vector<double> weights;
  std::string out;
  std::string method = combinations().front().name;
  double density = 0.0;
  std::string majority_sign = "total";
  uint64_t seed = 0;
  int64_t rank = 0;
  int64_t threads = 0;
  bool allow_pickle = false;
  bool overwrite = false;
  bool json = false;
};

/// Flags that a combination does not use are refused: they would be forgotten silently.
void check_flags(const CLI::App& command, const AdaptersMergeCommand& options) {
  const Combination& combination = find_combination(options.method);
  check<UsageError>(options.weights.size() == options.adapters.size(),
                    "--weights: expected {} numbers, one per adapter, found {}",
                    options.adapters.size(), options.weights.size());
  const bool prunes = combination.pruning != Pruning::kNone;
  check<UsageError>(prunes == (command.count("--density") > 0), "--density: {} {}", options.method,
                    prunes ? "needs it, as in --density 0.5" : "drops no numbers");
  check<UsageError>(!prunes || (options.density > 0.0 && options.density <= 1.0),
                    "--density: expected a number > 0 and <= 1, found {}", options.density);
  check_choice("--majority-sign", options.majority_sign, {"total", "frequency"});
  check<UsageError>(combination.elects_signs || command.count("--majority-sign") == 0,
                    "--majority-sign: {} elects no signs", options.method);
  check<UsageError>(combination.pruning == Pruning::kRandom || command.count("--seed") == 0,
                    "--seed: {} draws no random numbers", options.method);
  check<UsageError>(combination.what == Combined::kProducts || command.count("--rank") == 0,
                    "--rank: {} gives the rank that it gives; svd and the *_svd methods take one",
                    options.method);
  check_at_least("--rank", options.rank, command.count("--rank") > 0 ? 1 : 0);
  check_at_least("--threads", options.threads, 0);
}

int merge_adapters(const CLI::App& command, const AdaptersMergeCommand& options) {
  check_flags(command, options);
  return run_engine("adapters merge", {{"adapters", options.adapters},
                                       {"weights", options.weights},
                                       {"out", options.out},
                                       {"method", options.method},
                                       {"density", options.density},
                                       {"majority_sign", options.majority_sign},
                                       {"seed", options.seed},
                                       {"rank", options.rank},
                                       {"overwrite", options.overwrite},
                                       {"json", options.json},
                                       {"threads", options.threads},
                                       {"allow_pickle", options.allow_pickle}});
}

std::string combination_names() {
  std::vector<std::string> names;
  for (const Combination& combination : combinations()) {
    names.push_back(combination.name);
  }
  return join(names, ", ");
}

}  // namespace

void setup_adapters_merge(CLI::App& group, Action& action) {
  const auto options = std::make_shared<AdaptersMergeCommand>();
  CLI::App* command = group.add_subcommand(
      "merge", "combine LoRA adapters into one, as Hugging Face PEFT's add_weighted_adapter does");
  command->add_option("ADAPTER", options->adapters, "adapter folders")->required()->take_all();
  command->add_option("--weights", options->weights, "one number per adapter: 0.7,0.3")
      ->required()
      ->delimiter(',')
      ->take_all();
  command->add_option("--out", options->out, "new adapter folder")->required();
  command->add_option("--method", options->method, combination_names())->capture_default_str();
  command->add_option("--density", options->density,
                      "share of the numbers that ties, dare_* and magnitude_prune keep");
  command
      ->add_option("--majority-sign", options->majority_sign,
                   "ties and dare_ties: a sign wins by the total of the values or by frequency")
      ->capture_default_str();
  command->add_option("--seed", options->seed, "of dare_*: torch.manual_seed's in PEFT")
      ->capture_default_str();
  command->add_option("--rank", options->rank,
                      "svd and *_svd: rank of the result; left out: the largest given");
  command->add_option("--threads", options->threads, "0: the machine's");
  add_pickle_option(*command, options->allow_pickle);
  command->add_flag("--overwrite", options->overwrite, "replace a folder that exists");
  command->add_flag("--json", options->json, "one JSON document on stdout");
  command->callback([options, command, &action] {
    action = [options, command] { return merge_adapters(*command, *options); };
  });
}

}  // namespace peft
