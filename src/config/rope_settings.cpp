#include "peft/config/rope_settings.h"

#include <algorithm>

namespace peft {
namespace {

constexpr double kLargestFactor = 1e6;  // beyond it a file is not to be believed

double number(const Json& settings, const char* key, double otherwise) {
  const auto found = settings.find(key);
  return found != settings.end() && found->is_number() ? found->get<double>() : otherwise;
}

}  // namespace

Json rope_settings(const Json& config) {
  Json settings = Json::object();
  for (const char* key :
       {"rope_theta", "partial_rotary_factor", "original_max_position_embeddings"}) {
    if (config.contains(key) && !config.at(key).is_null()) {
      settings[key] = config.at(key);
    }
  }
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    if (config.contains(key) && config.at(key).is_object()) {
      settings.update(config.at(key));
    }
  }
  if (!settings.contains("rope_type") && settings.contains("type")) {
    settings["rope_type"] = settings.at("type");
  }
  return settings;
}

int64_t scaled_positions(const Json& settings, int64_t positions) {
  const Json type = settings.value("rope_type", Json());
  const bool from_original = type == "yarn";
  if (!from_original && type != "linear" && type != "dynamic") {
    return positions;
  }
  const auto own = static_cast<double>(positions);
  const double start =
      from_original ? number(settings, "original_max_position_embeddings", own) : own;
  const double factor = std::clamp(number(settings, "factor", 1.0), 1.0, kLargestFactor);
  return std::max(positions, static_cast<int64_t>(std::clamp(start, 0.0, 1e9) * factor));
}

}  // namespace peft
