#include "peft/report/run_page.h"

#include "page_parts.h"
#include "page_style.h"
#include "peft/report/html.h"
#include "peft/util/durable_file.h"
#include "peft/util/log.h"
#include "peft/util/text.h"

namespace peft {
namespace {

constexpr std::chrono::minutes kBetweenPages(1);
constexpr size_t kLargestLog = size_t{1} << 30;

/// Complete lines of the log; one that is being written is left out.
Json log_lines(const std::filesystem::path& file) {
  Json lines = Json::array();
  if (!std::filesystem::exists(file)) {
    return lines;
  }
  std::string problem;
  const std::string text = read_text(file, kLargestLog, &problem);
  for (const std::string& line : split(text, '\n')) {
    std::optional<JsonFault> fault;
    Json value = parse_json(line, {}, &fault);
    if (!fault && value.is_object()) {
      lines.push_back(std::move(value));
    }
  }
  return lines;
}

std::string tile(const std::string& value, const char* name) {
  return fmt::format("<div class=\"tile\"><b>{}</b><span>{}</span></div>", value, name);
}

std::string number_tile(const Json& value, const char* name) {
  return value.is_null() ? "" : tile(shown(value), name);
}

/// The last line of the log that has a member.
const Json& last_of(const Json& log, const char* name) {
  static const Json null;
  for (size_t i = log.size(); i > 0; --i) {
    if (!fact(log[i - 1], name).is_null()) {
      return fact(log[i - 1], name);
    }
  }
  return null;
}

std::string tiles(const Json& log, const Json& facts) {
  std::string text = number_tile(last_of(log, "step"), "steps");
  text += number_tile(last_of(log, "loss"), "last training loss");
  text += number_tile(last_of(log, "eval_loss"), "last held-out loss");
  text += number_tile(last_of(log, "tokens"), "tokens");
  if (fact(facts, "seconds").is_number()) {
    text += tile(html_text(human_seconds(facts.at("seconds").get<double>())), "time");
    text += number_tile(Json(static_cast<int64_t>(fact(facts, "tokens_per_second").is_number()
                                                      ? facts.at("tokens_per_second").get<double>()
                                                      : 0.0)),
                        "tokens per second");
  }
  text += number_tile(fact(facts, "trainable_parameters"), "trainable parameters");
  if (fact(facts, "peak_memory_bytes").is_number()) {
    text +=
        tile(html_text(human_bytes(facts.at("peak_memory_bytes").get<int64_t>())), "peak memory");
  }
  text += number_tile(fact(facts, "skipped_steps"), "skipped steps");
  return "<div class=\"tiles\">" + text + "</div>\n";
}

std::string heading(const Json& resolved, const Json& facts) {
  const Json& config = fact(resolved, "config");
  const Json& model = fact(fact(config, "model"), "name_or_path");
  const std::string method = shown(fact(fact(config, "adapter"), "peft_type"));
  const bool is_done = fact(facts, "seconds").is_number();
  std::string text = fmt::format("<h1>{} on {}</h1>\n<p class=\"soft\">{}", method, shown(model),
                                 is_done ? "finished" : "in progress");
  for (const char* name : {"device", "dtype", "version", "libtorch"}) {
    if (!fact(facts, name).is_null()) {
      text += fmt::format(" · {} {}", name, shown(fact(facts, name)));
    }
  }
  return text + "</p>\n";
}

}  // namespace

std::string run_page(const Json& resolved, const Json& log, const Json& facts) {
  const Json& model = fact(fact(fact(resolved, "config"), "model"), "name_or_path");
  std::string page =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n";
  page += fmt::format("<title>peft: {}</title>\n<style>{}</style>\n</head>\n<body>\n", shown(model),
                      kPageStyle);
  page += heading(resolved, facts) + tiles(log, facts) + warnings_section(fact(facts, "warnings")) +
          curves_section(log) + evaluations_section(log) + data_section(fact(facts, "data")) +
          memory_section(fact(facts, "plan"), fact(facts, "peak_memory_bytes")) +
          config_section(resolved);
  return page + "</body>\n</html>\n";
}

void RunPage::refresh(const Json& facts) {
  const auto now = std::chrono::steady_clock::now();
  if (!written_ || now - *written_ > kBetweenPages) {
    written_ = now;
    finish(facts);
  }
}

void RunPage::finish(const Json& facts) {
  try {
    write_run_page(folder_, facts);
  } catch (const IoError& problem) {
    log_warning("{}; the page is left out", problem.what());
  }
}

void write_run_page(const std::filesystem::path& folder, const Json& facts) {
  const std::filesystem::path config = folder / "resolved_config.json";
  const Json resolved = std::filesystem::exists(config)
                            ? read_json<IoError>(config, {.bytes = size_t{16} << 20})
                            : Json::object();
  write_file(folder / "report.html",
             run_page(resolved, log_lines(folder / "train_log.jsonl"), facts));
}

}  // namespace peft
