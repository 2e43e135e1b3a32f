#include "peft/config/run_task.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "peft/config/model_family.h"
#include "peft/util/text.h"

namespace peft {
namespace {

constexpr const char* kClassification = "SEQ_CLS";
constexpr const char* kLanguage = "CAUSAL_LM";

/// A label that is the number of a class below `count`.
std::optional<int32_t> place_of(const std::string& label, int64_t count) {
  int32_t place = -1;
  const auto [end, error] = std::from_chars(label.data(), label.data() + label.size(), place);
  const bool is_place =
      error == std::errc() && place >= 0 && place < count && label == std::to_string(place);
  return is_place ? std::optional(place) : std::nullopt;
}

std::vector<std::string> places(int64_t count) {
  std::vector<std::string> names;
  for (int64_t i = 0; i < count; ++i) {
    names.push_back(std::to_string(i));
  }
  return names;
}

RunTask task_of(Json& config, Json& origin, const Json& model_config) {
  RunTask run;
  run.labels = class_labels(model_config);
  Json& adapter = config["adapter"];
  const Json& wanted = adapter["task_type"];
  const Json& number = config.at("model").at("num_labels");
  const Json type = model_config.value("model_type", Json());
  const bool must =
      !run.labels.empty() || (type.is_string() && only_classifies(type.get<std::string>()));
  check<UsageError>(!must || wanted != kLanguage,
                    "adapter.task_type: expected SEQ_CLS for this base, found CAUSAL_LM");
  const bool classifies = must || wanted == kClassification;
  check<UsageError>(classifies || number.is_null(),
                    "model.num_labels: needs adapter.task_type SEQ_CLS");
  if (wanted.is_null()) {
    adapter["task_type"] = classifies ? kClassification : kLanguage;
    origin["adapter.task_type"] = "auto: the base's";
  }
  if (!classifies) {
    return run;
  }
  check<UsageError>(
      number.is_null() || run.labels.empty() || number == static_cast<int64_t>(run.labels.size()),
      "model.num_labels: the base's head has {} classes, found {}", run.labels.size(),
      number.dump());
  save_class_head(adapter);
  const bool one = run.labels.size() == 1 || (run.labels.empty() && number == 1);
  run.task = one ? Task::kRegression : Task::kClassification;
  return run;
}

}  // namespace

RunTask settle_task(Json& config, Json& origin, const Json& model_config) {
  const RunTask run = task_of(config, origin, model_config);
  const Json& metric = config.at("training").at("metric_for_best_model");
  const char* const accuracy = run.task == Task::kLanguageModel    ? "eval_token_accuracy"
                               : run.task == Task::kClassification ? "eval_accuracy"
                                                                   : "eval_loss";
  check<UsageError>(
      metric == "eval_loss" || metric == accuracy,
      "training.metric_for_best_model: expected {} for this task, found {}",
      run.task == Task::kRegression ? "eval_loss" : fmt::format("eval_loss or {}", accuracy),
      metric.dump());
  return run;
}

void settle_labels(Dataset& train, const Json& num_labels) {
  if (!num_labels.is_number_integer() || train.label_names.empty()) {
    return;
  }
  const auto count = num_labels.get<int64_t>();
  std::vector<int32_t> classes;
  for (const std::string& label : train.label_names) {
    const std::optional<int32_t> place = place_of(label, count);
    if (!place) {
      return;
    }
    classes.push_back(*place);
  }
  for (Example& example : train.examples) {
    example.label = classes.at(static_cast<size_t>(example.label));
  }
  train.label_names = places(count);
}

std::string head_refusal(const Json& num_labels, const std::vector<std::string>& labels) {
  const auto found = static_cast<int64_t>(labels.size());
  if (num_labels.is_number_integer() && num_labels != 1 && num_labels != found) {
    return fmt::format("model.num_labels: the rows have {} labels, found {}", found,
                       num_labels.dump());
  }
  return found > 1 || num_labels == 1
             ? ""
             : fmt::format(
                   "data.train: every row has the label \"{}\"; a classification needs two, a "
                   "regression model.num_labels 1",
                   labels.empty() ? "" : escaped(labels.front()));
}

void give_class_head(HfDirectory& base, const Json& num_labels,
                     const std::vector<std::string>& labels) {
  const std::string refusal = head_refusal(num_labels, labels);
  check<DataError>(refusal.empty(), "{}", refusal);
  const std::string where = (base.path() / "config.json").string();
  base.give_new_head(with_class_head(base.config(), find_family(base.model_type(), where),
                                     num_labels == 1 ? places(1) : labels));
}

bool is_for_classifier(const Json& adapter) {
  return adapter.value("task_type", Json()) == kClassification;
}

void save_class_head(Json& adapter) {
  if (!adapter.contains("modules_to_save")) {
    return;
  }
  Json& modules = adapter["modules_to_save"];
  modules = modules.is_array() ? modules : Json::array();
  for (const std::string& name : class_head_names()) {
    if (std::find(modules.begin(), modules.end(), Json(name)) == modules.end()) {
      modules.push_back(name);
    }
  }
}

}  // namespace peft
