#include <CLI/CLI.hpp>
#include <limits>
#include <memory>

#include "data_options.h"
#include "peft/cli/command.h"
#include "peft/data/advice.h"
#include "peft/data/inspect.h"
#include "peft/data/length_stats.h"
#include "peft/util/text.h"

namespace peft {
namespace {

/// Numbers of one data set before data.overflow.
struct SetStats {
  Dataset set;
  std::vector<int64_t> lengths = {};
  std::vector<std::string> advice = {};
  PackingGain packing = {};
  int64_t max_length = 0;
};

SetStats stats_of(const DataCommand& command, const std::vector<DataSource>& sources) {
  DataOptions whole = command.options;
  whole.max_length = int64_t{1} << 40;
  whole.overflow = "truncate";
  SetStats stats{.set = load_dataset(sources, whole, command.model.pipeline()),
                 .max_length = command.options.max_length};
  for (const Example& example : stats.set.examples) {
    stats.lengths.push_back(static_cast<int64_t>(example.ids.size()));
  }
  const bool packs = command.config.values.at("data").at("packing") != "none";
  const int64_t positions =
      command.model.positions.value_or(std::numeric_limits<int64_t>::max() / 2);
  stats.packing = packing_gain(stats.lengths, stats.max_length);
  stats.advice = advice(stats.lengths, stats.max_length, positions, packs);
  return stats;
}

int64_t longer_rows(const SetStats& stats) {
  return std::count_if(stats.lengths.begin(), stats.lengths.end(),
                       [&](int64_t length) { return length > stats.max_length; });
}

std::string text_of(const SetStats& stats) {
  const LengthStats lengths = length_stats(stats.lengths);
  std::string text = show_report(stats.set.report);
  text += fmt::format(
      "tokens of a row: mean {:.0f}, median {}, 90 % {}, 95 % {}, 99 % {}, longest {}\n",
      lengths.mean(), with_commas(lengths.median), with_commas(lengths.p90),
      with_commas(lengths.p95), with_commas(lengths.p99), with_commas(lengths.longest));
  text += draw_histogram(length_histogram(stats.lengths));
  text += fmt::format("longer than data.max_length {}: {}\n", with_commas(stats.max_length),
                      with_commas(longer_rows(stats)));
  text += fmt::format("packing bfd: {} packs of {} tokens, {:.1f} % full\n",
                      with_commas(stats.packing.packs), with_commas(stats.max_length),
                      100.0 * stats.packing.full);
  for (const std::string& line : stats.advice) {
    text += "worth a try: " + line + "\n";
  }
  return text;
}

Json json_of(const SetStats& stats) {
  return {{"report", report_json(stats.set.report)},
          {"lengths", length_json(length_stats(stats.lengths), length_histogram(stats.lengths))},
          {"max_length", stats.max_length},
          {"longer", longer_rows(stats)},
          {"packing", {{"packs", stats.packing.packs}, {"full", stats.packing.full}}},
          {"advice", stats.advice}};
}

int run_stats(const DataFlags& flags) {
  const DataCommand command = data_command(flags);
  const SetStats train = stats_of(command, command.train);
  std::optional<SetStats> eval;
  if (!command.eval.empty()) {
    eval = stats_of(command, command.eval);
  }
  if (flags.json) {
    print_json({{"train", json_of(train)}, {"eval", eval ? json_of(*eval) : Json()}});
  } else {
    print_text(text_of(train) + (eval ? "\nheld-out rows\n" + text_of(*eval) : ""));
  }
  return 0;
}

}  // namespace

void setup_data_stats(CLI::App& group, Action& action) {
  const auto flags = std::make_shared<DataFlags>();
  CLI::App* command = group.add_subcommand(
      "stats", "lengths in tokens as numbers and a histogram, packing, and settings worth a try");
  add_data_flags(*command, *flags);
  command->callback([flags, &action] { action = [flags] { return run_stats(*flags); }; });
}

}  // namespace peft
