// Translations of values that several tools share.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "migration.h"
#include "peft/util/error.h"
#include "peft/util/text.h"

namespace peft {
namespace {

constexpr size_t kLongestFirstRow = size_t{1} << 20;

bool is_data_file(const std::string& name) {
  return name.ends_with(".jsonl") || name.ends_with(".json");
}

void report_data(const std::string& name, const ForeignKey& key, MigrationWork& work) {
  if (!is_data_file(name)) {
    work.left(key, fmt::format("\"{}\" is no .jsonl or .json file; save its rows as one and name "
                               "that in data.train",
                               escaped(name)));
  }
}

}  // namespace

double number_or(const Json& value, double absent) {
  if (value.is_number()) {
    return value.get<double>();
  }
  if (!value.is_string()) {
    return absent;
  }
  const std::string text = value.get<std::string>();
  double number = absent;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && stop == text.data() + text.size() ? number : absent;
}

std::vector<std::string> first_row_keys(const std::string& file) {
  std::ifstream in(file);
  std::string line(kLongestFirstRow, '\0');
  in.getline(line.data(), static_cast<std::streamsize>(line.size()));
  if (!in) {
    return {};
  }
  const Json row = Json::parse(line.c_str(), nullptr, /*allow_exceptions=*/false);
  std::vector<std::string> names;
  if (row.is_object()) {
    for (const auto& [name, value] : row.items()) {
      names.push_back(name);
    }
  }
  return names;
}

Json as_number(const ForeignKey& key, MigrationWork& work) {
  if (key.value.is_number()) {
    return key.value;
  }
  const double number = number_or(key.value, -1e300);
  if (number == -1e300) {
    work.left(key, fmt::format("expected a number, found {}", json_excerpt(key.value)));
    return nullptr;
  }
  return number;
}

Json as_optimizer(const ForeignKey& key, MigrationWork& work) {
  const std::string name = key.value.is_string() ? key.value.get<std::string>() : "";
  const std::string word = lower_ascii(name.substr(name.rfind('.') + 1));
  if (word == "adamw" || word == "adamw_torch" || word == "adamw_torch_fused" ||
      word == "adamw_hf" || word == "adamw_apex_fused") {
    return "adamw";
  }
  if (word == "sgd") {
    return "sgd";
  }
  work.left(key, fmt::format("{} is not available in this version; adamw takes its place",
                             json_excerpt(key.value)));
  return "adamw";
}

Json as_schedule(const ForeignKey& key, MigrationWork& work) {
  const std::string name = key.value.is_string() ? key.value.get<std::string>() : "";
  if (name == "linear" || name == "cosine" || name == "constant") {
    return name;
  }
  if (name == "constant_with_warmup") {
    return "constant";
  }
  if (name == "cosine_with_min_lr") {
    return "cosine";
  }
  work.left(key, fmt::format("{} is not available in this version; cosine takes its place",
                             json_excerpt(key.value)));
  return "cosine";
}

Json as_warmup_steps(const ForeignKey& key, MigrationWork& work) {
  const double steps = number_or(key.value, 0.0);
  if (steps > 0.0 && steps < 1.0) {  // transformers 5 takes a share here
    work.set("training.warmup_ratio", steps);
    work.changed(
        key, fmt::format("training.warmup_ratio {}: below 1 it is a share of the steps", steps));
    return nullptr;
  }
  const double ratio = number_or(work.theirs().value("warmup_ratio"), 0.0);
  if (steps == 0.0 && ratio > 0.0) {
    return nullptr;  // the ratio says it
  }
  work.erase("training.warmup_ratio");  // steps win over a ratio there
  return static_cast<int64_t>(steps);
}

Json as_targets(const ForeignKey& key, MigrationWork& work) {
  Json names = Json::array();
  if (key.value.is_array()) {
    names = key.value;
  } else if (key.value.is_string()) {
    for (const std::string& name : split(key.value.get<std::string>(), ',')) {
      const size_t begin = name.find_first_not_of(' ');
      if (begin != std::string::npos) {
        names.push_back(name.substr(begin, name.find_last_not_of(' ') - begin + 1));
      }
    }
  }
  if (names.empty()) {
    work.left(key, fmt::format("expected names of modules, found {}", json_excerpt(key.value)));
    return nullptr;
  }
  const bool all = names.size() == 1 &&
                   (names[0] == "all" || names[0] == "all-linear" || names[0] == "all_linear");
  return all ? Json("all-linear") : names;
}

Json as_bfloat16(const ForeignKey& key, MigrationWork& work) {
  if (key.value == "auto") {
    work.changed(key, "model.dtype is auto here, too: bfloat16 where the processor has it");
    return "auto";
  }
  return key.value == Json(true) ? Json("bfloat16") : Json();
}

Json as_float16(const ForeignKey& key, MigrationWork&) {
  return key.value == Json(true) ? Json("float16") : Json();
}

Json as_data(const ForeignKey& key, MigrationWork& work) {
  Json sources = Json::array();
  const Json list = key.value.is_array() ? key.value : Json::array({key.value});
  for (const Json& item : list) {
    if (!item.is_string()) {
      work.left(key, fmt::format("expected names of data files, found {}", json_excerpt(item)));
      return nullptr;
    }
    for (const std::string& name : split(item.get<std::string>(), ',')) {
      report_data(name, key, work);
      sources.push_back(name);
    }
  }
  return sources.size() == 1 ? sources[0] : sources;
}

Json as_logging_steps(const ForeignKey& key, MigrationWork& work) {
  const double steps = number_or(key.value, 0.0);
  if (steps < 1.0) {
    work.left(key, "a share of the run; every step is logged here");
    return nullptr;
  }
  return static_cast<int64_t>(steps);
}

Json as_steps_between(const ForeignKey& key, MigrationWork& work) {
  const double steps = number_or(key.value, 0.0);
  if (steps > 0.0 && steps < 1.0) {
    work.left(key, "a share of the run; write a number of steps");
    return nullptr;
  }
  return static_cast<int64_t>(steps);
}

Json as_held_out(const ForeignKey& key, MigrationWork& work) {
  const double size = number_or(key.value, 0.0);
  if (size >= 1.0) {
    work.left(key, "a number of rows; write data.eval_split_ratio, a share of them");
    return nullptr;
  }
  return size > 0.0 ? Json(size) : Json();
}

Json as_packing(const ForeignKey& key, MigrationWork&) {
  return key.value == Json(true) ? "bfd" : "none";
}

Json as_reports(const ForeignKey& key, MigrationWork& work) {
  Json reports = Json::array({"jsonl"});
  const Json list = key.value.is_array() ? key.value : Json::array({key.value});
  for (const Json& name : list) {
    if (name == "tensorboard" || name == "all") {
      reports.push_back("tensorboard");
    } else if (name != "none") {
      work.left(key, fmt::format("{} is not served; it can read the run's train_log.jsonl later",
                                 json_excerpt(name)));
    }
  }
  return reports;
}

Json refuse_value(const ForeignKey& key, MigrationWork& work) {
  work.refuse(key, fmt::format("{} is another kind of training; only supervised fine-tuning is "
                               "available in this version",
                               json_excerpt(key.value)));
  return nullptr;
}

Json as_betas(const ForeignKey& key, MigrationWork& work) {
  if (!key.value.is_array() || key.value.size() != 2) {
    work.left(key, fmt::format("expected two numbers, found {}", json_excerpt(key.value)));
    return nullptr;
  }
  work.set("training.adam_beta1", key.value[0]);
  work.set("training.adam_beta2", key.value[1]);
  return nullptr;
}

void note_missing_length(MigrationWork& work, const std::string& key) {
  if (!work.has("data.max_length")) {
    work.changed({key, nullptr, 0},
                 "not given: the model's maximum there, 2048 here; write data.max_length for more");
  }
}

double share_of(double part, double whole) {
  return std::round(part / whole * 1e12) / 1e12;
}

}  // namespace peft
