#include "peft/config/data_config.h"

#include "peft/data/token_cache.h"

namespace peft {
namespace {

constexpr int64_t kWorthCaching = 32'000'000;  // bytes

DataSource data_source(const Json& value, bool held_out) {
  DataSource source;
  source.held_out = held_out;
  if (value.is_string()) {
    source.path = value.get<std::string>();
    return source;
  }
  source.path = value.at("path").get<std::string>();
  source.weight = value.value("weight", 1.0);
  if (value.contains("limit") && !value.at("limit").is_null()) {
    source.limit = value.at("limit").get<int64_t>();
  }
  return source;
}

std::filesystem::path cache_folder(const std::string& choice) {
  if (choice != "auto") {
    return choice == "off" ? "" : choice;
  }
  const std::filesystem::path own = token_cache_folder();
  return own.empty() ? own : own / "tokens";
}

}  // namespace

DataOptions data_options(const Json& data, const RunTask& task) {
  DataOptions options{
      .format = data.at("format").get<std::string>(),
      .train_on = data.at("train_on").get<std::string>(),
      .train_on_eos = data.at("train_on_eos").get<bool>(),
      .max_length = data.at("max_length").get<int64_t>(),
      .overflow = data.at("overflow").get<std::string>(),
      .columns = data.at("columns"),
      .special_in_text = data.at("special_in_text").get<std::string>(),
      .text_split = data.at("text_split").get<std::string>(),
      .skip_bad = data.at("skip_bad").get<double>(),
      .task = task.task,
      .label_names = task.task == Task::kClassification ? task.labels : std::vector<std::string>()};
  set_cache(options, data.at("cache").get<std::string>());
  return options;
}

void set_cache(DataOptions& options, const std::string& choice) {
  options.cache = cache_folder(choice);
  options.cache_from = choice == "auto" ? kWorthCaching : 0;
}

std::vector<DataSource> data_sources(const Json& value, bool held_out) {
  std::vector<DataSource> sources;
  if (value.is_array()) {
    for (const Json& item : value) {
      sources.push_back(data_source(item, held_out));
    }
  } else if (!value.is_null()) {
    sources.push_back(data_source(value, held_out));
  }
  return sources;
}

}  // namespace peft
