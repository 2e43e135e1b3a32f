#include <CLI/CLI.hpp>
#include <memory>

#include "data_options.h"
#include "peft/cli/command.h"
#include "peft/data/findings.h"
#include "peft/data/inspect.h"
#include "peft/util/text.h"

namespace peft {
namespace {

struct DataCheckCommand {
  DataFlags data;
  std::vector<std::string> allowed;
};

void append(std::vector<Finding>& all, std::vector<Finding> more) {
  all.insert(all.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

std::vector<Finding> findings_of(const Dataset& set, const std::vector<DataSource>& sources,
                                 const DataOptions& options) {
  return findings({set.report, set.examples, set.files, find_near_duplicates(set.examples),
                   scan_personal_data(sources, options)});
}

bool is_allowed(const Finding& finding, const DataCheckCommand& options) {
  return std::find(options.allowed.begin(), options.allowed.end(), finding.kind) !=
         options.allowed.end();
}

/// Prints the findings; returns how many of them count.
int64_t report(const std::vector<Finding>& all, const Json& sets, const DataCheckCommand& options) {
  Json list = Json::array();
  std::string text;
  int64_t count = 0;
  for (const Finding& finding : all) {
    const bool allowed = is_allowed(finding, options);
    count += allowed ? 0 : 1;
    list.push_back({{"kind", finding.kind},
                    {"count", finding.count},
                    {"text", finding.text},
                    {"allowed", allowed}});
    text +=
        fmt::format("{}{}: {}\n", allowed ? "allowed " : "", finding.kind, escaped(finding.text));
  }
  if (options.data.json) {
    Json document = sets;
    document["findings"] = std::move(list);
    print_json(document);
  } else {
    print_text(text + (all.empty() ? "nothing was found\n" : ""));
  }
  return count;
}

int run_check(const DataCheckCommand& options) {
  for (const std::string& kind : options.allowed) {
    check_choice("--allow", kind, finding_kinds());
  }
  DataCommand command = data_command(options.data);
  const Dataset train = training_rows(command);
  std::vector<Finding> all = findings_of(train, command.train, command.options);
  Json sets = {{"train", report_json(train.report)}, {"eval", nullptr}};
  if (!command.eval.empty()) {
    const Dataset eval = load_dataset(command.eval, command.options, command.model.pipeline());
    sets["eval"] = report_json(eval.report);
    append(all, findings(find_overlap(train, eval.examples), eval.examples));
    append(all, findings_of(eval, command.eval, command.options));
  }
  const int64_t count = report(all, sets, options);
  check<CheckFailed>(count == 0, "{} {} in the data; --allow KIND lets one pass", count,
                     count == 1 ? "finding" : "findings");
  return 0;
}

}  // namespace

void setup_data_check(CLI::App& group, Action& action) {
  const auto options = std::make_shared<DataCheckCommand>();
  CLI::App* command = group.add_subcommand(
      "check",
      "look for bad rows, duplicates, held-out rows that are trained on, masks that train nothing "
      "and personal data; exit code 9 when something is found");
  add_data_flags(*command, options->data);
  command
      ->add_option("--allow", options->allowed,
                   "kind of finding that is no failure: " + join(finding_kinds(), ", "))
      ->allow_extra_args(false)
      ->take_all();
  command->callback([options, &action] { action = [options] { return run_check(*options); }; });
}

}  // namespace peft
