#include "page_parts.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "peft/report/chart.h"
#include "peft/report/html.h"
#include "peft/report/log_lines.h"
#include "peft/util/text.h"

namespace peft {
namespace {

std::string section(const std::string& title, const std::string& body) {
  return body.empty() ? "" : fmt::format("<h2>{}</h2>\n{}", html_text(title), body);
}

ChartSeries series_of(const Json& log, const std::string& key, const std::string& name,
                      bool marks = false) {
  ChartSeries series{name, {}, marks};
  for (const Json& line : log) {
    const auto step = log_number(fact(line, "step"));
    if (const auto value = log_number(fact(line, key)); step && value) {
      series.points.push_back({*step, *value});
    }
  }
  return series;
}

/// Figures of the method by name, each a curve of its own.
std::string method_charts(const Json& log) {
  std::map<std::string, ChartSeries> series;
  for (const Json& line : log) {
    const Json& figures = fact(line, "figures");
    const auto step = log_number(fact(line, "step"));
    if (!figures.is_object() || !step) {
      continue;
    }
    for (const auto& [name, value] : figures.items()) {
      if (const auto number = log_number(value)) {
        series[name].points.push_back({*step, *number});
      }
    }
  }
  std::string text;
  for (auto& [name, each] : series) {
    each.name = name;
    text += line_chart("method: " + name, {each});
  }
  return text;
}

std::string row_card(const Json& row) {
  std::string text;
  for (const Json& piece : fact(row, "pieces")) {
    const std::string body = html_text(piece.at("text").get<std::string>());
    text += piece.at("trained").get<bool>() ? "<mark>" + body + "</mark>" : body;
  }
  return fmt::format(
      "<div class=\"card\"><p class=\"soft\">row {}, line {}: {} tokens, {} scored</p>"
      "<pre>{}</pre></div>\n",
      shown(row.at("row").is_number() ? Json(row.at("row").get<int64_t>() + 1) : Json()),
      shown(fact(row, "line")), shown(fact(row, "tokens")), shown(fact(row, "scored_tokens")),
      text);
}

std::string report_table(const Json& data) {
  constexpr std::pair<const char*, const char*> kRows[] = {
      {"rows", "rows"},
      {"examples", "examples"},
      {"tokens", "tokens"},
      {"scored_tokens", "scored tokens"},
      {"longest", "longest row"},
      {"truncated", "cut at max_length"},
      {"dropped_too_long", "left out, too long"},
      {"dropped_unscored", "left out, nothing scored"},
      {"without_stop", "end without a stop token"},
      {"duplicates", "duplicates"}};
  const Json& train = fact(data, "train");
  const Json& eval = fact(data, "eval");
  std::string text =
      "<div class=\"scroll narrow\"><table><tr><th></th><th class=\"number\">train</th>";
  text += eval.is_object() ? "<th class=\"number\">eval</th></tr>" : "</tr>";
  for (const auto& [key, name] : kRows) {
    text +=
        fmt::format("<tr><td>{}</td><td class=\"number\">{}</td>", name, shown(fact(train, key)));
    text += eval.is_object()
                ? fmt::format("<td class=\"number\">{}</td></tr>", shown(fact(eval, key)))
                : "</tr>";
  }
  text += "</table></div>\n";
  for (const Json& note : fact(train, "notes")) {
    text += fmt::format("<p>{}</p>\n", shown(note));
  }
  return fmt::format("<p>{}</p>\n", shown(fact(train, "decision"))) + text;
}

std::string bytes(const Json& value) {
  return value.is_number() ? html_text(human_bytes(value.get<int64_t>())) : "–";
}

std::string memory_row(const std::string& name, int64_t size, int64_t most) {
  const double share =
      100.0 * static_cast<double>(size) / static_cast<double>(std::max<int64_t>(1, most));
  return fmt::format(
      "<tr><td>{}</td><td class=\"number\">{}</td><td class=\"wide\"><div class=\"bar\" "
      "style=\"width:{:.1f}%\"></div></td></tr>\n",
      html_text(name), bytes(size), std::clamp(share, 0.0, 100.0));
}

}  // namespace

const Json& fact(const Json& object, const std::string& name) {
  static const Json null;
  const auto found = object.is_object() ? object.find(name) : object.end();
  return found == object.end() ? null : *found;
}

std::string shown(const Json& value) {
  if (value.is_null()) {
    return "–";
  }
  if (value.is_number_integer()) {
    return with_commas(value.get<int64_t>());
  }
  if (value.is_number()) {
    return fmt::format("{:.6g}", value.get<double>());
  }
  return html_text(value.is_string() ? value.get<std::string>()
                                     : value.dump(-1, ' ', false, Json::error_handler_t::replace));
}

std::string curves_section(const Json& log) {
  const std::string charts =
      line_chart("loss", {series_of(log, "loss", "training"),
                          series_of(log, "eval_loss", "held out", /*marks=*/true)}) +
      line_chart("learning rate", {series_of(log, "learning_rate", "learning rate")}) +
      line_chart("gradient norm", {series_of(log, "grad_norm", "gradient norm")}) +
      line_chart("tokens per second", {series_of(log, "tokens_per_second", "tokens per second")}) +
      line_chart("peak memory", {series_of(log, "peak_memory_bytes", "peak memory")},
                 ChartUnit::kBytes) +
      line_chart("token accuracy, held out",
                 {series_of(log, "eval_token_accuracy", "token accuracy", /*marks=*/true)}) +
      line_chart("accuracy, held out",
                 {series_of(log, "eval_accuracy", "accuracy", /*marks=*/true)}) +
      line_chart("penalty", {series_of(log, "penalty", "penalty")}) + method_charts(log);
  return section("Curves", charts.empty() ? "" : "<div class=\"charts\">" + charts + "</div>\n");
}

std::string evaluations_section(const Json& log) {
  const std::pair<const char*, const char*> columns[] = {{"step", "step"},
                                                         {"eval_loss", "loss"},
                                                         {"eval_perplexity", "perplexity"},
                                                         {"eval_token_accuracy", "token accuracy"},
                                                         {"eval_accuracy", "accuracy"}};
  std::string header;
  std::string rows;
  for (const Json& line : log) {
    if (fact(line, "eval_loss").is_null()) {
      continue;
    }
    const bool first = header.empty();
    rows += "<tr>";
    for (const auto& [key, name] : columns) {
      if (line.contains(key)) {
        header += first ? fmt::format("<th class=\"number\">{}</th>", name) : "";
        rows += fmt::format("<td class=\"number\">{}</td>", shown(fact(line, key)));
      }
    }
    rows += "</tr>\n";
  }
  return section("Evaluations", rows.empty() ? ""
                                             : "<div class=\"scroll narrow\"><table><tr>" + header +
                                                   "</tr>\n" + rows + "</table></div>\n");
}

std::string data_section(const Json& data) {
  if (!fact(data, "train").is_object()) {
    return "";
  }
  std::string rows;
  for (const Json& row : fact(data, "sample")) {
    rows += row_card(row);
  }
  if (!rows.empty()) {
    rows =
        "<p>Rows as the model sees them; <mark>what is trained</mark> is marked, the rest is "
        "only read.</p>\n" +
        rows;
  }
  return section("Data", report_table(data) + rows);
}

std::string memory_section(const Json& plan, const Json& measured) {
  const Json& parts = fact(plan, "memory");
  if (!parts.is_object()) {
    return "";
  }
  const int64_t total = fact(plan, "total_bytes").get<int64_t>();
  const int64_t peak = measured.is_number() ? measured.get<int64_t>() : 0;
  const int64_t most = std::max(total, peak);
  std::string rows;
  for (const auto& [name, size] : parts.items()) {
    rows += memory_row(name, size.get<int64_t>(), most);
  }
  rows += memory_row("planned together", total, most);
  std::string verdict;
  if (peak > 0) {
    rows += memory_row("measured peak", peak, most);
    verdict = fmt::format("<p>The plan is {:+.1f} % off the measured peak.</p>\n",
                          100.0 * static_cast<double>(total - peak) / static_cast<double>(peak));
  }
  return section("Memory", "<div class=\"scroll\"><table>" + rows + "</table></div>\n" + verdict);
}

std::string warnings_section(const Json& warnings) {
  std::string text;
  for (const Json& warning : warnings.is_array() ? warnings : Json::array()) {
    text += fmt::format("<li class=\"warning\">{}</li>\n", shown(warning));
  }
  return text.empty()
             ? ""
             : section(fmt::format("Warnings ({})", warnings.size()), "<ul>" + text + "</ul>\n");
}

std::string config_section(const Json& resolved) {
  const Json& origin = fact(resolved, "origin");
  std::string rows;
  for (const auto& [part, keys] : fact(resolved, "config").items()) {
    if (!keys.is_object()) {
      continue;
    }
    for (const auto& [key, value] : keys.items()) {
      const std::string path = part + "." + key;
      rows += fmt::format(
          "<tr><td><code>{}</code></td><td>{}</td><td class=\"soft\">{}</td></tr>\n",
          html_text(path), html_text(value.dump(-1, ' ', false, Json::error_handler_t::replace)),
          shown(fact(origin, path)));
    }
  }
  return section("Configuration",
                 rows.empty() ? ""
                              : "<details open><summary>every key, its value and where it came "
                                "from</summary><div class=\"scroll\"><table>" +
                                    rows + "</table></div></details>\n");
}

}  // namespace peft
