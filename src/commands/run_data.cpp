#include "peft/commands/run_data.h"

#include "peft/config/data_config.h"
#include "peft/config/model_sizes.h"
#include "peft/config/run_task.h"
#include "peft/data/inspect.h"
#include "peft/data/overlap.h"
#include "peft/data/sampler.h"
#include "peft/plan/adapter_sizes.h"
#include "peft/util/log.h"

namespace peft {
namespace {

constexpr size_t kSampleRows = 3;  // of the report

/// data.max_length at its default follows the model; beyond the positions that virtual tokens leave
/// it is an error.
void settle_max_length(Json& config, Json& origin, const ModelSizes& model) {
  Json& length = config["data"]["max_length"];
  const int64_t taken = config.at("adapter").value("num_virtual_tokens", int64_t{0});
  const int64_t positions = model.positions - taken;
  if (model.positions == 0 || length.get<int64_t>() <= positions) {
    return;
  }
  check<UsageError>(origin.value("data.max_length", std::string("default")) == "default",
                    "data.max_length: {} is beyond the model's {} positions", length.dump(),
                    positions);
  log_info("data.max_length: {} instead of {}, the model has no more positions", positions,
           length.dump());
  length = positions;
  origin["data.max_length"] = "auto: the model's positions";
}

RunData read_data(const Json& config, const RunTask& task, const TextSide& text,
                  int64_t vocabulary) {
  const Json& section = config.at("data");
  DataOptions options = data_options(section, task);
  RunData data{
      load_dataset(data_sources(section.at("train")), options, text.pipeline()), {}, {}, {}};
  check_ids(data.train, vocabulary);
  if (task.needs_head()) {
    settle_labels(data.train, config.at("model").at("num_labels"));
  }
  options.label_names = data.train.label_names;
  log_info("{}", show_report(data.train.report));
  data.report["train"] = report_json(data.train.report);
  data.report["sample"] = sample_json(data.train, text.tokenizer(), kSampleRows);
  if (!section.at("eval").is_null()) {
    Dataset held_out =
        load_dataset(data_sources(section.at("eval"), /*held_out=*/true), options, text.pipeline());
    check_ids(held_out, vocabulary);
    data.report["eval"] = report_json(held_out.report);
    data.held_out = std::move(held_out.examples);
    data.give_back_held_out = held_out.give_back;
  } else if (section.at("eval_split_ratio").get<double>() > 0.0) {
    data.held_out = split_off(data.train, section.at("eval_split_ratio").get<double>(),
                              config.at("training").at("seed").get<uint64_t>());
  }
  const Overlap overlap = find_overlap(data.train, data.held_out);
  if (const std::string line = describe(overlap, data.held_out); !line.empty()) {
    log_warning("data.eval: {}", line);
  }
  return data;
}

}  // namespace

RunData read_run_data(Json& config, Json& origin, HfDirectory& base, const TextSide& text) {
  const Json& adapter = config.at("adapter");
  if (adapter.value("path", Json()).is_string()) {
    take_class_head(
        base, read_adapter(adapter.at("path").get<std::string>(),
                           pickled_weights(config.at("model").at("allow_pickle").get<bool>())));
  }
  const RunTask task = settle_task(config, origin, base.config());
  const ModelSizes sizes = model_sizes(base);
  adapter_sizes(sizes, config.at("adapter"));  // refuses targets that are not there
  settle_max_length(config, origin, sizes);
  RunData data = read_data(config, task, text, sizes.vocabulary);
  if (task.needs_head()) {
    give_class_head(base, config.at("model").at("num_labels"), data.train.label_names);
  }
  return data;
}

}  // namespace peft
