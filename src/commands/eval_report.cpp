#include "peft/commands/eval_report.h"

#include <algorithm>
#include <stdexcept>
#include <vector>

#include "peft/util/error.h"
#include "peft/util/text.h"

namespace peft {

namespace {

/// Every figure of any column, in the order of their first appearance.
std::vector<std::string> figures_of(const Json& columns) {
  std::vector<std::string> figures;
  for (const auto& [name, column] : columns.items()) {
    for (const auto& [figure, value] : column.items()) {
      if (std::find(figures.begin(), figures.end(), figure) == figures.end()) {
        figures.push_back(figure);
      }
    }
  }
  return figures;
}

}  // namespace

bool holds(const std::string& condition, const Json& result) {
  const size_t at = condition.find_first_of("<>=");
  check<UsageError>(at != std::string::npos && at > 0,
                    "--fail-if: expected NAME<NUMBER or NAME>NUMBER, found \"{}\"", condition);
  std::string name = without_space(condition.substr(0, at));
  const bool equal_too = at + 1 < condition.size() && condition[at + 1] == '=';
  const std::string number = without_space(condition.substr(at + (equal_too ? 2 : 1)));
  if (name.starts_with("eval_")) {
    name = name.substr(5);
  }
  std::vector<std::string> names;
  for (const auto& [key, value] : result.items()) {
    names.push_back(key);
  }
  check<UsageError>(result.contains(name), "--fail-if: unknown name \"{}\"{}", name,
                    did_you_mean(name, names));
  size_t used = 0;
  double limit = 0.0;
  try {
    limit = std::stod(number, &used);
  } catch (const std::exception&) {
    used = 0;
  }
  check<UsageError>(used == number.size() && used > 0, "--fail-if: expected a number, found \"{}\"",
                    number);
  if (!result.at(name).is_number()) {
    return true;  // not finite: no bound is met
  }
  const double value = result.at(name).get<double>();
  switch (condition[at]) {
    case '<':
      return equal_too ? !(value > limit) : !(value >= limit);
    case '>':
      return equal_too ? !(value < limit) : !(value <= limit);
    default:
      return value == limit;
  }
}

void print_table(const Json& columns) {
  fmt::print("{:<20}", "");
  for (const auto& [name, result] : columns.items()) {
    fmt::print(" {:>13}", name.size() > 13 ? "..." + name.substr(name.size() - 10) : name);
  }
  fmt::print("\n");
  for (const std::string& figure : figures_of(columns)) {
    fmt::print("{:<20}", figure);
    for (const auto& [name, result] : columns.items()) {
      const Json value = result.value(figure, Json());
      fmt::print("{:>14}", value.is_number_integer() ? with_commas(value.get<int64_t>())
                           : value.is_number()       ? fmt::format("{:.4f}", value.get<double>())
                           : result.contains(figure) ? "not finite"
                                                     : "-");
    }
    fmt::print("\n");
  }
}

}  // namespace peft
