#include <cmath>
#include <cstdio>

#include "peft/commands/commands.h"
#include "peft/commands/open_model.h"
#include "peft/evaluation/evaluator.h"
#include "peft/evaluation/generator.h"
#include "peft/training/run_log.h"
#include "peft/util/log.h"
#include "peft/util/pattern.h"
#include "peft/util/text.h"

namespace peft {
namespace {

constexpr int64_t kDefaultBatchTokens = 2048;

/// What is asked of each model that is judged.
struct EvalPlan {
  std::vector<Example> examples;
  std::vector<std::string> answers;  // reference answers, when answers are generated
  int64_t new_tokens = 0;            // 0: nothing is generated
  std::optional<Pattern> format;
  int64_t batch_tokens = kDefaultBatchTokens;
};

std::string trimmed(const std::string& text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  const size_t end = text.find_last_not_of(" \t\r\n");
  return begin == std::string::npos ? "" : text.substr(begin, end - begin + 1);
}

Dataset read_data(const Json& request, const OpenModel& open, const TextSide& text) {
  DataOptions options;
  options.format = request.at("format").get<std::string>();
  options.train_on = request.at("train_on").get<std::string>();
  options.columns = request.at("columns");
  const int64_t positions = open.model->shape().max_positions;
  options.max_length = std::min(options.max_length, positions);
  if (request.at("max_length").is_number_integer()) {
    options.max_length = request.at("max_length").get<int64_t>();
    check<UsageError>(options.max_length <= positions,
                      "--max-length {}: the model has {} positions", options.max_length, positions);
  }
  std::vector<DataSource> sources;
  for (const Json& file : request.at("data")) {
    DataSource source{file.get<std::string>()};
    if (request.at("limit").is_number_integer()) {
      source.limit = request.at("limit").get<int64_t>();
    }
    sources.push_back(source);
  }
  Dataset data = load_dataset(sources, options, text.pipeline());
  check_ids(data, *open.model);
  return data;
}

EvalPlan make_plan(const Json& request, Dataset data, const TextSide& text) {
  EvalPlan plan;
  plan.examples = std::move(data.examples);
  plan.new_tokens = request.at("generate").get<int64_t>();
  if (request.at("batch_tokens").is_number_integer()) {
    plan.batch_tokens = request.at("batch_tokens").get<int64_t>();
  }
  if (request.at("match").is_string()) {
    const std::string expression = request.at("match").get<std::string>();
    try {
      plan.format.emplace(expression);
    } catch (const std::invalid_argument& problem) {
      fail<UsageError>("--match: {}", problem.what());
    }
    check<UsageError>(plan.new_tokens > 0, "--match: needs --generate N");
  }
  for (size_t i = 0; plan.new_tokens > 0 && i < plan.examples.size(); ++i) {
    plan.answers.push_back(reference_answer(plan.examples[i], text.pipeline()));
  }
  return plan;
}

/// Generates an answer for every row and compares it with the reference and the format.
void judge_answers(const EvalPlan& plan, const OpenModel& open, const TextSide& text, Json& out) {
  const GenerateOptions options{.max_new_tokens = plan.new_tokens, .stop_ids = text.stop_ids()};
  std::vector<std::vector<int32_t>> prompts;
  for (const Example& example : plan.examples) {
    prompts.emplace_back(example.ids.begin(), example.ids.begin() + example.prompt_length);
  }
  const std::vector<Generated> results = generate(*open.model, prompts, options, open.device);
  int64_t exact = 0;
  int64_t formatted = 0;
  for (size_t i = 0; i < results.size(); ++i) {
    const std::string answer =
        trimmed(text.tokenizer().decode(results[i].ids, /*skip_special_tokens=*/true));
    exact += answer == trimmed(plan.answers[i]) ? 1 : 0;
    formatted += plan.format && plan.format->full_match(answer) ? 1 : 0;
  }
  const double rows = static_cast<double>(plan.examples.size());
  out["generated_rows"] = plan.examples.size();
  out["exact_match"] = static_cast<double>(exact) / rows;
  if (plan.format) {
    out["format_match"] = static_cast<double>(formatted) / rows;
  }
}

Json judge(const EvalPlan& plan, const OpenModel& open, const TextSide& text) {
  const Evaluation result = evaluate(*open.model, plan.examples, plan.batch_tokens, open.device);
  const auto number_or_null = [](double value) {
    return std::isfinite(value) ? Json(value) : Json(nullptr);
  };
  Json out = {{"loss", number_or_null(result.loss())},
              {"perplexity", number_or_null(result.perplexity())},
              {"token_accuracy", number_or_null(result.token_accuracy())},
              {"scored_tokens", result.scored_tokens},
              {"rows", result.rows},
              {"tokens_per_second", static_cast<double>(result.tokens) / result.seconds}};
  if (plan.new_tokens > 0) {
    judge_answers(plan, open, text, out);
  }
  return out;
}

/// "loss>1.9": true if the condition holds, that is, if the command must fail.
bool holds(const std::string& condition, const Json& result) {
  const size_t at = condition.find_first_of("<>=");
  check<UsageError>(at != std::string::npos && at > 0,
                    "--fail-if: expected NAME<NUMBER or NAME>NUMBER, found \"{}\"", condition);
  std::string name = trimmed(condition.substr(0, at));
  const bool equal_too = at + 1 < condition.size() && condition[at + 1] == '=';
  const std::string number = trimmed(condition.substr(at + (equal_too ? 2 : 1)));
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
    fmt::print("{:>14}", name);
  }
  fmt::print("\n");
  for (const auto& [figure, first] : columns.begin()->items()) {
    fmt::print("{:<20}", figure);
    for (const auto& [name, result] : columns.items()) {
      const Json& value = result.at(figure);
      fmt::print("{:>14}", value.is_number_integer() ? with_commas(value.get<int64_t>())
                           : value.is_number()       ? fmt::format("{:.4f}", value.get<double>())
                                                     : "not finite");
    }
    fmt::print("\n");
  }
}

}  // namespace

void run_eval(const Json& request) {
  OpenModel open = open_model(request);
  const TextSide text(open.directory, request.at("chat_template").get<std::string>());
  Dataset data = read_data(request, open, text);
  log_info("{}", data.report.decision);
  const EvalPlan plan = make_plan(request, std::move(data), text);

  Json results = Json::object();
  const bool compare = request.at("compare").get<bool>();
  check<UsageError>(!compare || open.stored, "--compare: needs --adapter");
  if (compare || !open.stored) {
    results["base"] = judge(plan, open, text);
  }
  if (open.stored) {
    open.attach();
    results["adapter"] = judge(plan, open, text);
  }
  const Json& judged = results.contains("adapter") ? results.at("adapter") : results.at("base");
  if (request.at("json").get<bool>()) {
    fmt::print("{}\n", (compare ? results : judged).dump(2));
  } else {
    print_table(results);
  }
  if (request.at("fail_if").is_string()) {
    const std::string condition = request.at("fail_if").get<std::string>();
    check<CheckFailed>(!holds(condition, judged), "--fail-if {}: it holds", condition);
  }
}

}  // namespace peft
