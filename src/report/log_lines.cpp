#include "peft/report/log_lines.h"

#include <algorithm>
#include <limits>

#include "peft/util/text.h"

namespace peft {
namespace {

constexpr const char* kColumns[] = {"step",
                                    "epoch",
                                    "loss",
                                    "learning_rate",
                                    "grad_norm",
                                    "tokens",
                                    "scored_tokens",
                                    "tokens_per_second",
                                    "peak_memory_bytes",
                                    "penalty",
                                    "eval_loss",
                                    "eval_perplexity",
                                    "eval_token_accuracy",
                                    "eval_accuracy"};

constexpr std::pair<const char*, const char*> kTags[] = {
    {"epoch", "train/epoch"},
    {"loss", "train/loss"},
    {"learning_rate", "train/learning_rate"},
    {"grad_norm", "train/grad_norm"},
    {"tokens", "train/tokens"},
    {"tokens_per_second", "train/tokens_per_second"},
    {"peak_memory_bytes", "train/peak_memory_bytes"},
    {"penalty", "train/penalty"},
    {"eval_loss", "eval/loss"},
    {"eval_perplexity", "eval/perplexity"},
    {"eval_token_accuracy", "eval/token_accuracy"},
    {"eval_accuracy", "eval/accuracy"}};

const Json& member(const Json& object, const std::string& name) {
  static const Json null;
  const auto found = object.find(name);
  return found == object.end() ? null : *found;
}

const Json& value_of(const Json& line, const std::string& column) {
  const Json& own = member(line, column);
  return own.is_null() && member(line, "figures").is_object() ? member(line.at("figures"), column)
                                                              : own;
}

/// As RFC 4180 asks: quotes around what holds a separator, quotes doubled.
std::string csv_cell(const std::string& text) {
  if (text.find_first_of(",\"\n\r") == std::string::npos) {
    return text;
  }
  std::string quoted = "\"";
  for (const char c : text) {
    quoted += c == '"' ? "\"\"" : std::string(1, c);
  }
  return quoted + "\"";
}

}  // namespace

std::optional<double> log_number(const Json& value) {
  if (value.is_number()) {
    return value.get<double>();
  }
  if (value == "NaN") {
    return std::numeric_limits<double>::quiet_NaN();
  }
  if (value == "Infinity" || value == "-Infinity") {
    const double infinity = std::numeric_limits<double>::infinity();
    return value == "Infinity" ? infinity : -infinity;
  }
  return std::nullopt;
}

EventFile::Scalars event_scalars(const Json& line) {
  EventFile::Scalars scalars;
  for (const auto& [name, tag] : kTags) {
    if (const auto number = log_number(member(line, name))) {
      scalars.emplace_back(tag, *number);
    }
  }
  const Json& figures = member(line, "figures");
  if (figures.is_object()) {
    for (const auto& [name, value] : figures.items()) {
      if (const auto number = log_number(value)) {
        scalars.emplace_back("method/" + name, *number);
      }
    }
  }
  return scalars;
}

std::vector<std::string> csv_columns(const Json& first) {
  std::vector<std::string> columns(std::begin(kColumns), std::end(kColumns));
  const Json& figures = member(first, "figures");
  if (figures.is_object()) {
    for (const auto& [name, value] : figures.items()) {
      columns.push_back(name);
    }
  }
  return columns;
}

std::string csv_header(const std::vector<std::string>& columns) {
  std::vector<std::string> cells;
  for (const std::string& column : columns) {
    cells.push_back(csv_cell(column));
  }
  return join(cells, ",") + "\n";
}

std::string csv_line(const Json& line, const std::vector<std::string>& columns) {
  std::vector<std::string> cells;
  for (const std::string& column : columns) {
    const Json& value = value_of(line, column);
    cells.push_back(value.is_null()     ? ""
                    : value.is_string() ? csv_cell(value.get<std::string>())
                                        : csv_cell(value.dump()));
  }
  return join(cells, ",") + "\n";
}

}  // namespace peft
