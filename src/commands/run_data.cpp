#include "peft/commands/run_data.h"

#include "peft/config/data_config.h"
#include "peft/data/inspect.h"
#include "peft/data/sampler.h"
#include "peft/util/log.h"

namespace peft {
namespace {

/// Sets a share of the rows aside, seeded: data.eval_split_ratio.
void split_off(RunData& data, double ratio, uint64_t seed) {
  std::vector<Example>& all = data.train.examples;
  const auto count = static_cast<size_t>(static_cast<double>(all.size()) * ratio);
  std::vector<bool> chosen(all.size(), false);
  const std::vector<size_t> order = permutation(all.size(), seed, /*stream=*/~uint64_t{0});
  for (size_t i = 0; i < count; ++i) {
    chosen[order[i]] = true;
  }
  std::vector<Example> kept;
  for (size_t i = 0; i < all.size(); ++i) {
    (chosen[i] ? data.held_out : kept).push_back(std::move(all[i]));
  }
  all = std::move(kept);
}

}  // namespace

RunData read_data(const Json& config, const TextSide& text, const CausalLM& model) {
  const Json& section = config.at("data");
  const DataOptions options = data_options(section);
  RunData data{load_dataset(data_sources(section.at("train")), options, text.pipeline()), {}, {}};
  check_ids(data.train, model);
  log_info("{}", show_report(data.train.report));
  data.report["train"] = report_json(data.train.report);
  if (!section.at("eval").is_null()) {
    Dataset held_out = load_dataset(data_sources(section.at("eval")), options, text.pipeline());
    check_ids(held_out, model);
    data.report["eval"] = report_json(held_out.report);
    data.held_out = std::move(held_out.examples);
  } else if (section.at("eval_split_ratio").get<double>() > 0.0) {
    split_off(data, section.at("eval_split_ratio").get<double>(),
              config.at("training").at("seed").get<uint64_t>());
  }
  return data;
}

}  // namespace peft
