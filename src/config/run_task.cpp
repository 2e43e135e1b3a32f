#include "peft/config/run_task.h"

#include <algorithm>
#include <charconv>

#include "peft/config/model_family.h"
#include "peft/util/text.h"

namespace peft {
namespace {

constexpr const char* kClassification = "SEQ_CLS";
constexpr const char* kLanguage = "CAUSAL_LM";

/// Of encoders there is no other head here.
bool only_classifies(const Json& model_config) {
  const Json type = model_config.value("model_type", Json());
  return type == "bert" || type == "roberta";
}

/// The names 0, 1, ... where every label is a whole number below `count`.
bool are_places(const std::vector<std::string>& labels, int64_t count) {
  return std::all_of(labels.begin(), labels.end(), [&](const std::string& label) {
    int64_t place = -1;
    const auto [end, error] = std::from_chars(label.data(), label.data() + label.size(), place);
    return error == std::errc() && end == label.data() + label.size() && place >= 0 &&
           place < count;
  });
}

std::vector<std::string> places(int64_t count) {
  std::vector<std::string> names;
  for (int64_t i = 0; i < count; ++i) {
    names.push_back(std::to_string(i));
  }
  return names;
}

}  // namespace

RunTask settle_task(Json& config, Json& origin, const Json& model_config) {
  RunTask run;
  run.labels = class_labels(model_config);
  Json& adapter = config["adapter"];
  const Json& wanted = adapter["task_type"];
  const Json& number = config.at("model").at("num_labels");
  const bool must = !run.labels.empty() || only_classifies(model_config);
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

void give_class_head(HfDirectory& base, const Json& num_labels, std::vector<std::string> labels) {
  if (num_labels.is_number_integer()) {
    const auto count = num_labels.get<int64_t>();
    if (labels.empty() || are_places(labels, count)) {
      labels = places(count);
    }
    check<DataError>(static_cast<int64_t>(labels.size()) == count,
                     "model.num_labels: the rows have {} labels, found {}", labels.size(), count);
  }
  check<DataError>(labels.size() > 1 || num_labels == 1,
                   "data.train: every row has the label \"{}\"; a classification needs two, a "
                   "regression model.num_labels 1",
                   labels.empty() ? "" : escaped(labels.front()));
  const std::string where = (base.path() / "config.json").string();
  base.give_new_head(with_class_head(base.config(), find_family(base.model_type(), where), labels));
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
