// peft adapters merge: several LoRA adapters -> one, without their base.
#include <algorithm>
#include <numeric>

#include "peft/commands/commands.h"
#include "peft/commands/engine_start.h"
#include "peft/commands/open_model.h"
#include "peft/methods/weighted_sum.h"
#include "peft/util/durable_file.h"
#include "peft/util/log.h"

namespace peft {
namespace {

LoraFile read_lora(const std::string& folder, PickledWeights pickled) {
  const StoredAdapter stored = read_adapter(folder, pickled);
  check<UsageError>(stored.config.at("peft_type") == "LORA",
                    "{}: {} is not a LoRA; make it one first: peft adapters convert {} --out DIR",
                    folder, stored.config.at("peft_type").get<std::string>(), folder);
  return take_apart(stored);
}

SumOptions options_of(const Json& request) {
  return {.combination = find_combination(request.at("method").get<std::string>()),
          .weights = request.at("weights").get<std::vector<double>>(),
          .density = request.at("density").get<double>(),
          .counts_signs = request.at("majority_sign") == "frequency",
          .seed = request.at("seed").get<uint64_t>(),
          .rank = request.at("rank").get<int64_t>()};
}

/// Adapters of different bases may fit each other's shapes and still make no sense together.
void warn_of_other_bases(const std::vector<LoraFile>& adapters,
                         const std::vector<std::string>& names) {
  const Json base = adapters.front().config.value("base_model_name_or_path", Json());
  for (size_t i = 1; i < adapters.size(); ++i) {
    const Json other = adapters[i].config.value("base_model_name_or_path", Json());
    if (base.is_string() && other.is_string() && base != other) {
      log_warning("{} was trained on {}, {} on {}", names.front(), base.get<std::string>(),
                  names[i], other.get<std::string>());
    }
  }
}

}  // namespace

void run_merge_adapters(const Json& request) {
  start_engine("cpu", request.at("threads").get<int64_t>());
  const auto names = request.at("adapters").get<std::vector<std::string>>();
  const SumOptions options = options_of(request);
  std::vector<LoraFile> adapters;
  for (const std::string& name : names) {
    adapters.push_back(read_lora(name, pickles_of(request)));
  }
  warn_of_other_bases(adapters, names);
  const LoraFile sum = weighted_sum(adapters, names, options);
  const std::vector<double> distances = distances_from_sum(sum, adapters, options.weights);
  const double worst = *std::max_element(distances.begin(), distances.end());
  const double mean = std::accumulate(distances.begin(), distances.end(), 0.0) /
                      static_cast<double>(distances.size());

  const std::string out = request.at("out").get<std::string>();
  write_folder(out, request.at("overwrite").get<bool>(), [&](const std::filesystem::path& folder) {
    write_adapter(put_together(sum, folder));
  });
  log_info("{} adapters, {} modules, rank {}: {}", names.size(), sum.updates.size(), sum.rank(),
           out);
  log_info("relative distance from the weighted sum of their changes: {:.3g} at most, {:.3g} mean",
           worst, mean);
  if (request.at("json").get<bool>()) {
    const Json result = {{"out", out},
                         {"method", options.combination.name},
                         {"modules", sum.updates.size()},
                         {"rank", sum.rank()},
                         {"distance_from_sum", {{"worst", worst}, {"mean", mean}}}};
    fmt::print("{}\n", result.dump(2));
  }
}

}  // namespace peft
