#include <cmath>
#include <cstdio>

#include "peft/commands/commands.h"
#include "peft/commands/eval_report.h"
#include "peft/commands/open_model.h"
#include "peft/config/data_config.h"
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
  std::shared_ptr<const Pattern> format;
  int64_t batch_tokens = kDefaultBatchTokens;
};

/// Positions that every judged adapter leaves to a row.
int64_t free_positions(const CausalLM& model, const std::vector<StoredAdapter>& adapters) {
  int64_t taken = 0;
  for (const StoredAdapter& adapter : adapters) {
    taken = std::max(taken, adapter.config.value("num_virtual_tokens", int64_t{0}));
  }
  return model.shape().max_positions - taken;
}

Dataset read_data(const Json& request, const OpenModel& open, const TextSide& text,
                  int64_t positions) {
  const ModelShape& shape = open.model->shape();
  DataOptions options;
  options.task = shape.classes() == 0   ? Task::kLanguageModel
                 : shape.classes() == 1 ? Task::kRegression
                                        : Task::kClassification;
  options.label_names =
      options.task == Task::kClassification ? shape.labels : std::vector<std::string>();
  options.format = request.at("format").get<std::string>();
  options.train_on = request.at("train_on").get<std::string>();
  options.columns = request.at("columns");
  options.max_length = std::min(options.max_length, positions);
  set_cache(options, "auto");
  if (request.at("max_length").is_number_integer()) {
    options.max_length = request.at("max_length").get<int64_t>();
    check<UsageError>(options.max_length <= positions,
                      "--max-length {}: a row has {} positions in this model", options.max_length,
                      positions);
  }
  std::vector<DataSource> sources;
  for (const Json& file : request.at("data")) {
    DataSource source{file.get<std::string>()};
    source.held_out = true;
    if (request.at("limit").is_number_integer()) {
      source.limit = request.at("limit").get<int64_t>();
    }
    sources.push_back(source);
  }
  Dataset data = load_dataset(sources, options, text.pipeline());
  check_ids(data, shape.vocabulary);
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
      plan.format = std::make_shared<const Pattern>(expression);
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

std::vector<std::vector<int32_t>> prompts_of(const EvalPlan& plan) {
  std::vector<std::vector<int32_t>> prompts;
  for (const Example& example : plan.examples) {
    prompts.emplace_back(example.ids.begin(), example.ids.begin() + example.prompt_length);
  }
  return prompts;
}

GenerateOptions generate_options(const EvalPlan& plan, const TextSide& text) {
  return {.max_new_tokens = plan.new_tokens, .stop_ids = text.stop_ids()};
}

/// Compares generated answers with the references and the format.
void judge_answers(const EvalPlan& plan, const std::vector<Generated>& results,
                   const TextSide& text, Json& out) {
  int64_t exact = 0;
  int64_t formatted = 0;
  for (size_t i = 0; i < results.size(); ++i) {
    const std::string answer =
        without_space(text.tokenizer().decode(results[i].ids, /*skip_special_tokens=*/true));
    exact += answer == without_space(plan.answers[i]) ? 1 : 0;
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
  const int64_t classes = open.model->shape().classes();
  Json out = {{"loss", number_or_null(result.loss())}};
  if (classes == 0) {
    out["perplexity"] = number_or_null(result.perplexity());
    out["token_accuracy"] = number_or_null(result.accuracy());
    out["scored_tokens"] = result.scored_tokens;
  } else if (classes > 1) {
    out["accuracy"] = number_or_null(result.accuracy());
  }
  out["rows"] = result.rows;
  out["tokens_per_second"] = static_cast<double>(result.tokens) / result.seconds;
  if (plan.new_tokens > 0) {
    judge_answers(
        plan, generate(*open.model, prompts_of(plan), generate_options(plan, text), open.device),
        text, out);
  }
  return out;
}

/// The same rows behind `shots` solved ones: what the base can do without training, and the price
/// in tokens. The shots are the first rows of a file of their own.
EvalPlan with_shots(EvalPlan plan, const std::vector<Example>& shots, int64_t positions) {
  std::vector<int32_t> context;
  for (const Example& shot : shots) {
    context.insert(context.end(), shot.ids.begin(), shot.ids.end());
  }
  for (Example& example : plan.examples) {
    std::vector<int32_t> ids = context;
    ids.insert(ids.end(), example.ids.begin(), example.ids.end());
    check<DataError>(
        static_cast<int64_t>(ids.size()) <= positions,
        "--shots {}: a row with its examples has {} tokens, the model has {} positions",
        shots.size(), ids.size(), positions);
    std::vector<int32_t> labels(context.size(), kIgnored);
    labels.insert(labels.end(), example.labels.begin(), example.labels.end());
    labels[context.size()] = kIgnored;  // alone, a row's first token has no target either
    example.ids = std::move(ids);
    example.labels = std::move(labels);
    example.weights = {};
    example.prompt_length += static_cast<int64_t>(context.size());
    example.answer_end += static_cast<int64_t>(context.size());
  }
  return plan;
}

/// "base", the base with examples in its context, and every adapter, as far as they are asked for.
Json judge_all(const Json& request, const EvalPlan& plan, OpenModel& open, const TextSide& text,
               const std::vector<StoredAdapter>& stored) {
  Json results = Json::object();
  const bool compare = request.at("compare").get<bool>();
  const int64_t shots = request.at("shots").get<int64_t>();
  if (compare || stored.empty()) {
    results["base"] = judge(plan, open, text);
  }
  if (shots > 0) {
    Json source = request;
    source["data"] = Json::array({request.at("shots_from")});
    source["limit"] = shots;
    const int64_t positions = open.model->longest_sequence();
    const std::vector<Example> solved = read_data(source, open, text, positions).examples;
    check<DataError>(static_cast<int64_t>(solved.size()) == shots,
                     "--shots {}: {} has {} rows that can be used", shots,
                     request.at("shots_from").get<std::string>(), solved.size());
    const EvalPlan longer = with_shots(plan, solved, positions);
    Json& column = results[fmt::format("base_{}_shots", shots)];
    column = judge(longer, open, text);
    column["context_tokens"] =
        longer.examples.front().ids.size() - plan.examples.front().ids.size();
  }
  std::vector<std::unique_ptr<Adapter>> adapters;
  for (const StoredAdapter& one : stored) {
    adapters.push_back(load_adapter(*open.model, one));
    results[stored.size() == 1 ? "adapter" : one.path.string()] = judge(plan, open, text);
    adapters.back()->suspend();
  }
  if (request.at("ensemble").is_string()) {
    std::vector<Adapter*> voices;
    for (const auto& adapter : adapters) {
      voices.push_back(adapter.get());
    }
    const Ensemble ensemble = request.at("ensemble") == "vote" ? Ensemble::kVote : Ensemble::kMean;
    Json& column = results["ensemble"];
    column["rows"] = plan.examples.size();
    judge_answers(plan,
                  generate_together(*open.model, voices, ensemble, prompts_of(plan),
                                    generate_options(plan, text), open.device),
                  text, column);
  }
  return results;
}

/// What a classifier cannot be asked.
void refuse_for_classifier(const Json& request, const CausalLM& model) {
  if (model.shape().classes() == 0) {
    return;
  }
  check<UsageError>(request.at("generate") == 0 && request.at("shots") == 0,
                    "{} classifies rows: --generate and --shots are for language models",
                    model.shape().architecture);
  check<UsageError>(!request.at("compare").get<bool>() || model.new_parameters.empty(),
                    "--compare: the base has no classification head of its own to compare with");
}

}  // namespace

void run_eval(const Json& request) {
  OpenModel open = open_model(request);
  refuse_for_classifier(request, *open.model);
  const TextSide text = text_side(open, request);
  std::vector<StoredAdapter> stored;
  for (const Json& folder : request.at("adapters")) {
    stored.push_back(stored.empty() ? std::move(*open.stored)
                                    : read_adapter(folder.get<std::string>(), pickles_of(request)));
  }
  Dataset data = read_data(request, open, text, free_positions(*open.model, stored));
  log_info("{}", data.report.decision);
  const EvalPlan plan = make_plan(request, std::move(data), text);

  const Json results = judge_all(request, plan, open, text, stored);
  const Json& judged = (--results.end()).value();
  if (request.at("json").get<bool>()) {
    fmt::print("{}\n", (results.size() > 1 ? results : judged).dump(2));
  } else {
    print_table(results);
  }
  if (request.at("fail_if").is_string()) {
    const std::string condition = request.at("fail_if").get<std::string>();
    check<CheckFailed>(!holds(condition, judged), "--fail-if {}: it holds", condition);
  }
}

}  // namespace peft
