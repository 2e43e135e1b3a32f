#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <set>

#include "peft/cli/command.h"
#include "peft/config/adapter_config.h"
#include "peft/io/tensor_difference.h"
#include "peft/util/text.h"

namespace peft {
namespace {

constexpr size_t kRowsShown = 5;  // of each list: the whole text fits a screen
constexpr size_t kValueWidth = 32;

struct AdaptersDiffCommand {
  std::string a;
  std::string b;
  bool allow_pickle = false;
  bool json = false;
};

/// Lists of names are sets, which Hugging Face PEFT writes in any order.
Json without_order(Json value) {
  const bool names = value.is_array() && std::all_of(value.begin(), value.end(),
                                                     [](const Json& x) { return x.is_string(); });
  if (names) {
    std::sort(value.begin(), value.end());
  }
  return value;
}

/// Keys with different values; a key that one method lacks is null there.
Json config_differences(const Json& a, const Json& b) {
  std::set<std::string> keys;
  for (const Json* config : {&a, &b}) {
    for (const auto& [key, value] : config->items()) {
      keys.insert(key);
    }
  }
  Json differences = Json::array();
  for (const std::string& key : keys) {
    const Json here = a.value(key, Json());
    const Json there = b.value(key, Json());
    if (without_order(here) != without_order(there)) {
      differences.push_back({{"key", key}, {"a", here}, {"b", there}});
    }
  }
  return differences;
}

Json layout_of(const TensorInfo& info) {
  return {{"dtype", dtype_name(info.dtype)}, {"shape", info.shape}};
}

Json only_in(const WeightsFile& file, const WeightsFile& other) {
  Json names = Json::array();
  for (const auto& [name, info] : file.tensors()) {
    if (other.tensors().count(name) == 0) {
      names.push_back({{"name", name}, {"dtype", dtype_name(info.dtype)}, {"shape", info.shape}});
    }
  }
  return names;
}

/// Adds the tensors that both files have: layouts that differ, and values that do.
void compare_shared(const WeightsFile& a, const WeightsFile& b, Json& result) {
  TensorDifference all;
  int64_t shared = 0;
  for (const auto& [name, info] : a.tensors()) {
    const auto other = b.tensors().find(name);
    if (other == b.tensors().end()) {
      continue;
    }
    ++shared;
    if (info.shape != other->second.shape || info.dtype != other->second.dtype) {
      result["layouts"].push_back(
          {{"name", name}, {"a", layout_of(info)}, {"b", layout_of(other->second)}});
    }
    if (info.shape == other->second.shape) {
      const TensorDifference difference = tensor_difference(a, b, name);
      all += difference;
      if (!difference.none()) {
        result["values"].push_back({{"name", name},
                                    {"largest_difference", difference.largest},
                                    {"relative_difference", difference.relative()}});
      }
    }
  }
  result["shared_tensors"] = shared;
  result["largest_difference"] = all.largest;
  result["relative_difference"] = all.relative();
}

Json differences(const AdaptersDiffCommand& options) {
  const PickledWeights pickled = pickled_weights(options.allow_pickle);
  const WeightsFile a = open_adapter_weights(options.a, pickled);
  const WeightsFile b = open_adapter_weights(options.b, pickled);
  Json result = {{"a", options.a},
                 {"b", options.b},
                 {"equal", false},
                 {"config", config_differences(read_adapter_config(options.a),
                                               read_adapter_config(options.b))},
                 {"only_in_a", only_in(a, b)},
                 {"only_in_b", only_in(b, a)},
                 {"layouts", Json::array()},
                 {"values", Json::array()}};
  compare_shared(a, b, result);
  result["equal"] = true;
  for (const char* part : {"config", "only_in_a", "only_in_b", "layouts", "values"}) {
    result["equal"] = result["equal"] == true && result[part].empty();
  }
  return result;
}

std::string shape_text(const Json& layout) {
  return fmt::format("{} ({})", layout["dtype"].get<std::string>(),
                     fmt::join(layout["shape"].get<std::vector<int64_t>>(), ", "));
}

/// The first rows of a list under its title, and how many more there are.
template <class Row>
void print_list(const std::string& title, const Json& list, const Row& row) {
  if (list.empty()) {
    return;
  }
  print_text(title + "\n");
  for (size_t i = 0; i < std::min(kRowsShown, list.size()); ++i) {
    print_text("  " + row(list[i]) + "\n");
  }
  if (list.size() > kRowsShown) {
    print_text(fmt::format("  ... and {} more; --json lists all\n", list.size() - kRowsShown));
  }
}

/// Without the prefix that every name in PEFT's files has.
std::string name_of(const Json& entry) {
  const std::string name = escaped(entry["name"].get<std::string>());
  const std::string prefix = "base_model.model.";
  return name.starts_with(prefix) ? name.substr(prefix.size()) : name;
}

std::string value_text(const Json& value) {
  const std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  return text.size() <= kValueWidth ? text : text.substr(0, kValueWidth - 3) + "...";
}

void print_values(const Json& result) {
  Json values = result["values"];
  std::stable_sort(values.begin(), values.end(), [](const Json& x, const Json& y) {
    return x["relative_difference"].get<double>() > y["relative_difference"].get<double>();
  });
  print_list(fmt::format("values: {} of {} shared tensors differ, by {:.3g} at most; all of them "
                         "together |A - B| / |A| = {:.3g}",
                         values.size(), result["shared_tensors"].get<int64_t>(),
                         result["largest_difference"].get<double>(),
                         result["relative_difference"].get<double>()),
             values, [](const Json& entry) {
               return fmt::format("{:<9.3g} {:<9.3g} {}", entry["largest_difference"].get<double>(),
                                  entry["relative_difference"].get<double>(), name_of(entry));
             });
}

void print_differences(const Json& result) {
  if (result["equal"] == true) {
    print_text(fmt::format("equal: the same keys and {} tensors\n",
                           result["shared_tensors"].get<int64_t>()));
    return;
  }
  print_text(fmt::format("A {}\nB {}\n", escaped(result["a"].get<std::string>()),
                         escaped(result["b"].get<std::string>())));
  print_list("config: key, value in A, value in B", result["config"], [](const Json& entry) {
    return fmt::format("{:<24} {:<{}} {}", entry["key"].get<std::string>(), value_text(entry["a"]),
                       kValueWidth, value_text(entry["b"]));
  });
  const auto name_and_shape = [](const Json& entry) {
    return name_of(entry) + "  " + shape_text(entry);
  };
  print_list("tensors only in A:", result["only_in_a"], name_and_shape);
  print_list("tensors only in B:", result["only_in_b"], name_and_shape);
  print_list("tensors of another shape or type: name, A, B", result["layouts"],
             [](const Json& entry) {
               return fmt::format("{}  {}  {}", name_of(entry), shape_text(entry["a"]),
                                  shape_text(entry["b"]));
             });
  print_values(result);
}

int diff(const AdaptersDiffCommand& options) {
  const Json result = differences(options);
  if (options.json) {
    print_json(result);
  } else {
    print_differences(result);
  }
  return static_cast<int>(result["equal"] == true ? ExitCode::kDone : ExitCode::kCheckFailed);
}

}  // namespace

void setup_adapters_diff(CLI::App& group, Action& action) {
  const auto options = std::make_shared<AdaptersDiffCommand>();
  CLI::App* command = group.add_subcommand(
      "diff", "say what differs between two adapter folders; exits with 0 if nothing does, else 9");
  command->add_option("A", options->a, "adapter folder")->required();
  command->add_option("B", options->b, "adapter folder")->required();
  add_pickle_option(*command, options->allow_pickle);
  command->add_flag("--json", options->json, "one JSON document on stdout");
  command->callback([options, &action] { action = [options] { return diff(*options); }; });
}

}  // namespace peft
