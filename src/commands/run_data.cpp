#include "peft/commands/run_data.h"

#include "peft/config/data_config.h"
#include "peft/data/inspect.h"
#include "peft/data/overlap.h"
#include "peft/data/sampler.h"
#include "peft/util/log.h"

namespace peft {
namespace {

constexpr size_t kSampleRows = 3;  // of the report

}  // namespace

RunData read_data(const Json& config, const RunTask& task, const TextSide& text,
                  int64_t vocabulary) {
  const Json& section = config.at("data");
  DataOptions options = data_options(section, task);
  RunData data{load_dataset(data_sources(section.at("train")), options, text.pipeline()), {}, {}};
  check_ids(data.train, vocabulary);
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
  } else if (section.at("eval_split_ratio").get<double>() > 0.0) {
    data.held_out = split_off(data.train, section.at("eval_split_ratio").get<double>(),
                              config.at("training").at("seed").get<uint64_t>());
  }
  const Overlap overlap = find_overlap(data.train.examples, data.held_out);
  if (const std::string line = describe(overlap, data.held_out); !line.empty()) {
    log_warning("data.eval: {}", line);
  }
  return data;
}

}  // namespace peft
