#include "peft/config/adapter_hub.h"

#include <algorithm>

namespace peft {
namespace {

/// Where the library puts the networks, by its own fields.
struct Placement {
  const char* peft_type;
  bool mh_adapter;  // behind the attention too
  bool is_parallel;
  bool original_ln_before;  // reads the sum of the MLP and the stream
};

constexpr Placement kPlacements[] = {
    {"HOULSBY", true, false, false},
    {"PFEIFFER", false, false, true},
    {"PARALLEL", false, true, false},
};

/// Members of the file beside its "config".
constexpr const char* kOuter[] = {"hidden_size", "model_class", "model_name",
                                  "model_type",  "name",        "version"};

/// Fields of the placement, and of forms that the library writes and that are never used here.
constexpr const char* kLeftOut[] = {"mh_adapter",
                                    "output_adapter",
                                    "is_parallel",
                                    "original_ln_before",
                                    "init_weights_seed",
                                    "inv_adapter_reduction_factor",
                                    "phm_dim",
                                    "phm_rank",
                                    "phm_bias",
                                    "learn_phm",
                                    "factorized_phm_W",
                                    "factorized_phm_rule",
                                    "shared_W_phm",
                                    "shared_phm_rule",
                                    "phm_c_init",
                                    "phm_init_range",
                                    "hypercomplex_nonlinearity"};

bool is_left_out(const std::string& name) {
  return std::find(std::begin(kLeftOut), std::end(kLeftOut), name) != std::end(kLeftOut);
}

const Placement* placement_of(const Json& config) {
  const bool out = config.value("output_adapter", true);
  const bool parallel = config.value("is_parallel", false);
  for (const Placement& placement : kPlacements) {
    // A parallel adapter reads the stream alone, whatever its norm field says.
    if (out && placement.mh_adapter == config.value("mh_adapter", false) &&
        placement.is_parallel == parallel &&
        (parallel || placement.original_ln_before == config.value("original_ln_before", false))) {
      return &placement;
    }
  }
  return nullptr;
}

}  // namespace

bool is_hub_config(const Json& saved) {
  return saved.is_object() && !saved.contains("peft_type") && saved.contains("config") &&
         saved.at("config").is_object() && saved.contains("version") &&
         saved.at("version").is_string() &&
         saved.at("version").get<std::string>().starts_with("adapters.");
}

Json from_hub_config(const Json& saved, const std::string& where) {
  const Placement* placement = nullptr;
  try {
    placement = placement_of(saved.at("config"));
  } catch (const Json::exception& problem) {
    fail<ModelError>("{}: config: {}", where, problem.what());
  }
  check<ModelError>(placement != nullptr,
                    "{}: config: expected the placement of Houlsby, Pfeiffer or parallel adapters "
                    "(mh_adapter, output_adapter, is_parallel, original_ln_before)",
                    where);
  Json flat = {{"peft_type", placement->peft_type}};
  for (const auto& [name, value] : saved.at("config").items()) {
    if (!is_left_out(name)) {
      flat[name] = value;
    }
  }
  for (const char* name : kOuter) {
    if (saved.contains(name)) {
      flat[name] = saved.at(name);
    }
  }
  if (const Json base = saved.value("model_name", Json()); base.is_string() && base != "") {
    flat["base_model_name_or_path"] = base;
  }
  return flat;
}

}  // namespace peft
