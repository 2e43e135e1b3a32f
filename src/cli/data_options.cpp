#include "data_options.h"

#include <CLI/CLI.hpp>

#include "peft/cli/command.h"
#include "peft/config/data_config.h"
#include "peft/config/names.h"
#include "peft/util/log.h"

namespace peft {
namespace {

ResolvedConfig data_config(const DataFlags& flags) {
  std::vector<Override> overrides;
  for (const std::string& text : flags.sets) {
    overrides.push_back(parse_override(text));
  }
  const auto add = [&](const char* name, const Json& value, bool given) {
    if (given) {
      overrides.push_back({name, value});
    }
  };
  add("model.name_or_path", flags.model, !flags.model.empty());
  add("data.train", flags.data, !flags.data.empty());
  add("data.eval", flags.eval, !flags.eval.empty());
  add("data.format", flags.format, !flags.format.empty());
  add("data.train_on", flags.train_on, !flags.train_on.empty());
  add("data.chat_template", flags.chat_template, !flags.chat_template.empty());
  add("data.max_length", flags.max_length, flags.max_length != 0);
  if (!flags.skip_bad.empty()) {
    overrides.push_back({"data.skip_bad", share_of("--skip-bad", flags.skip_bad)});
  }
  if (!flags.config.empty()) {
    return load_config(flags.config, overrides);
  }
  check<UsageError>(!flags.model.empty() && !flags.data.empty(),
                    "expected --config RUN.json, or --model DIR and --data FILE");
  const Json unused = {{"training", {{"output_dir", "-"}}}};
  return resolve_config(unused, {}, "flags", overrides);
}

/// As training does: the default length gives way to the model's positions.
DataOptions options_for(const ResolvedConfig& config, const RunTask& task, const ModelText& model) {
  DataOptions options = data_options(config.values.at("data"), task);
  options.refuses = false;
  if (!model.positions || options.max_length <= *model.positions) {
    return options;
  }
  check<UsageError>(config.origin.at("data.max_length") == "default",
                    "data.max_length: {} is beyond the model's {} positions", options.max_length,
                    *model.positions);
  log_info("data.max_length: {} instead of {}, the model has no more positions", *model.positions,
           options.max_length);
  options.max_length = *model.positions;
  return options;
}

std::vector<DataSource> limited(std::vector<DataSource> sources, int64_t limit) {
  for (DataSource& source : sources) {
    if (limit > 0) {
      source.limit = std::min(source.limit.value_or(limit), limit);
    }
  }
  return sources;
}

}  // namespace

void add_data_flags(CLI::App& command, DataFlags& flags) {
  command.add_option("--config", flags.config, "run file (JSON)");
  command.add_option("--set", flags.sets, "KEY=VALUE that wins over the run file; repeatable")
      ->allow_extra_args(false)
      ->take_all();
  command.add_option("--model", flags.model, "model folder");
  command.add_option("--data", flags.data, "data files, folders or patterns")->take_all();
  command.add_option("--eval", flags.eval, "held-out rows, in the same way")->take_all();
  command.add_option("--format", flags.format, "shape of the rows");
  command.add_option("--train-on", flags.train_on, "tokens that are scored");
  command.add_option("--chat-template", flags.chat_template, "tokenizer, chatml or a Jinja file");
  command.add_option("--max-length", flags.max_length, "tokens of a row that are kept");
  command.add_option("--skip-bad", flags.skip_bad, "N% of the rows may break their shape");
  command.add_option("--limit", flags.limit, "first rows of each part that are read; 0: all");
  command.add_flag("--json", flags.json, "one JSON document on stdout");
}

DataCommand data_command(const DataFlags& flags) {
  check_at_least("--limit", flags.limit, 0);
  ResolvedConfig config = data_config(flags);
  const Json& data = config.values.at("data");
  ModelText model = read_model_text(config.values.at("model").at("name_or_path").get<std::string>(),
                                    data.at("chat_template").get<std::string>());
  RunTask task = settle_task(config.values, config.origin, model.config);
  DataOptions options = options_for(config, task, model);
  auto train = limited(data_sources(data.at("train")), flags.limit);
  auto eval = limited(data_sources(data.at("eval"), /*held_out=*/true), flags.limit);
  return {std::move(config),  std::move(model), std::move(task),
          std::move(options), std::move(train), std::move(eval)};
}

Dataset training_rows(DataCommand& command) {
  Dataset rows = load_dataset(command.train, command.options, command.model.pipeline());
  if (command.task.needs_head()) {
    const Json& number = command.config.values.at("model").at("num_labels");
    settle_labels(rows, number);
    if (const std::string refusal = head_refusal(number, rows.label_names); !refusal.empty()) {
      rows.report.refusals.push_back(refusal);
    }
    command.options.label_names = rows.label_names;
  }
  return rows;
}

}  // namespace peft
