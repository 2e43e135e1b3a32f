#include "peft/methods/effective_scale.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "peft/config/target_selection.h"

namespace peft {
namespace {

constexpr const char* kReport = "run_report.json";
constexpr double kRounding = 1e-9;  // relative; the same number by another order of operations
constexpr size_t kMostShown = 5;

bool same(double a, double b) {
  return std::abs(a - b) <= kRounding * std::max(std::abs(a), std::abs(b));
}

/// The module that a matrix A belongs to, by its own name or the file's; nothing for other tensors.
std::optional<std::string> module_of_a(const std::string& name) {
  const std::string prefix = kPeftPrefix;
  const size_t begin = name.starts_with(prefix) ? prefix.size() : 0;
  for (const std::string ending : {".lora_A.weight", ".lora_embedding_A"}) {
    if (name.ends_with(ending)) {
      return name.substr(begin, name.size() - begin - ending.size());
    }
  }
  return std::nullopt;
}

/// Rows of every A, by module.
std::map<std::string, int64_t> ranks_of(const NamedTensors& tensors) {
  std::map<std::string, int64_t> ranks;
  for (const auto& [name, tensor] : tensors) {
    if (const auto path = module_of_a(name)) {
      ranks[*path] = tensor.size(0);
    }
  }
  return ranks;
}

/// alpha / R (Hu et al. 2021, section 4.1) or alpha / sqrt(R) (Kalajdzievski 2023, theorem 3.2).
double scale_by_config(const Json& config, const std::string& path, int64_t rank) {
  const double alpha = pattern_value(config.at("alpha_pattern"), path)
                           .value_or(config.at("lora_alpha"))
                           .get<double>();
  const auto divisor = static_cast<double>(rank);
  return alpha / (config.at("use_rslora").get<bool>() ? std::sqrt(divisor) : divisor);
}

int64_t rank_by_config(const Json& config, const std::string& path) {
  return pattern_value(config.at("rank_pattern"), path).value_or(config.at("r")).get<int64_t>();
}

}  // namespace

Json scales_json(const std::map<std::string, double>& scales) {
  const bool equal = std::all_of(scales.begin(), scales.end(), [&](const auto& entry) {
    return same(entry.second, scales.begin()->second);
  });
  if (scales.empty()) {
    return nullptr;
  }
  return equal ? Json(scales.begin()->second) : Json(scales);
}

void check_scales(const Adapter& adapter, const Json& config, const NamedTensors& tensors,
                  const std::string& where) {
  const std::map<std::string, int64_t> ranks = ranks_of(tensors);
  std::vector<std::string> faults;
  for (const auto& [path, live] : adapter.scales()) {
    const auto rank = ranks.find(path);
    if (rank == ranks.end() || rank->second != rank_by_config(config, path)) {
      faults.push_back(fmt::format("{}: expected rank {} by the config, found {}", path,
                                   rank_by_config(config, path),
                                   rank == ranks.end() ? 0 : rank->second));
      continue;
    }
    const double expected = scale_by_config(config, path, rank->second);
    if (!same(live, expected)) {
      faults.push_back(
          fmt::format("{}: expected the scale {} by the config, found {}", path, expected, live));
    }
  }
  const size_t shown = std::min(faults.size(), kMostShown);
  check<ModelError>(
      faults.empty(), "{}: {}{}", where,
      fmt::join(faults.begin(), faults.begin() + static_cast<std::ptrdiff_t>(shown), "; "),
      shown < faults.size() ? fmt::format("; and {} more", faults.size() - shown) : "");
}

void check_recorded_scale(const StoredAdapter& stored) {
  const std::filesystem::path report = stored.path / kReport;
  if (stored.config.value("peft_type", std::string()) != "LORA" ||
      !std::filesystem::exists(report)) {
    return;
  }
  const Json recorded =
      read_json<ModelError>(report, {.bytes = size_t{64} << 20}).value("effective_scale", Json());
  for (const auto& [path, rank] : ranks_of(stored.tensors)) {
    const Json scale = recorded.is_object() ? recorded.value(path, Json()) : recorded;
    const double meant = scale_by_config(stored.config, path, rank);
    check<ModelError>(!scale.is_number() || same(scale.get<double>(), meant),
                      "{}: {} was trained with the scale {}, and adapter_config.json means {} now; "
                      "undo its change, or remove {} to use it all the same",
                      stored.path.string(), path, scale.dump(), meant, kReport);
  }
}

}  // namespace peft
