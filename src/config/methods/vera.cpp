#include "tables.h"

namespace peft {
namespace {

using enum ValueType;

std::vector<Key> vera_keys() {
  return {
      {.name = "r",
       .types = {kInt},
       .fallback = 256,
       .least = 1,
       .most = 65536,
       .summary = "rank of the frozen random matrices that all targets share",
       .fixed_by_adapter = true},
      {.name = "d_initial",
       .types = {kNumber},
       .fallback = 0.1,
       .least = -1e6,
       .most = 1e6,
       .summary = "start of the inner factors"},
      {.name = "vera_dropout",
       .types = {kNumber},
       .fallback = 0.0,
       .least = 0.0,
       .most = 0.99,
       .summary = "share of the update's inputs dropped in training"},
      {.name = "projection_prng_key",
       .types = {kInt},
       .fallback = 0,
       .least = 0,
       .most = 1e15,
       .summary = "seed of the random matrices",
       .fixed_by_adapter = true},
      {.name = "save_projection",
       .types = {kBool},
       .fallback = true,
       .summary = "store the random matrices; false: the seed alone, for a far smaller file"},
      unavailable_field("bias", "none", "use LORA or BITFIT to train biases"),
      unavailable_field("init_weights", true, "other starts are not available in this version"),
      ignored_field("fan_in_fan_out", false),
  };
}

/// b (out) and d (r).
int64_t vera_parameters(const Json& adapter, const PlannedLinear& linear) {
  return linear.out + adapter.at("r").get<int64_t>();
}

/// The inner product before its factors, and the output before its own.
TargetUse kept_by_vera(const Json& adapter, const PlannedLinear& linear) {
  return {.input = false, .numbers = adapter.at("r").get<int64_t>() + linear.out};
}

/// With the random matrices (r, widest input) and (widest output, r), if they are stored.
int64_t vera_projections(const Json& adapter, const ModelSizes& model) {
  int64_t in = 0;
  int64_t out = 0;
  for (const PlannedLinear& linear : model.linears) {
    in = std::max(in, linear.in);
    out = std::max(out, linear.out);
  }
  const bool stored = adapter.at("save_projection").get<bool>();
  return saved_module_parameters(adapter, model) +
         (stored ? adapter.at("r").get<int64_t>() * (in + out) : 0);
}

/// PEFT's VeRA has no exclude_modules.
std::vector<Key> vera_targeting_keys() {
  std::vector<Key> keys = targeting_keys();
  std::erase_if(keys, [](const Key& key) { return key.name == "exclude_modules"; });
  return keys;
}

}  // namespace

Method vera_method() {
  return {.name = "vera",
          .peft_type = "VERA",
          .kind = "reparameterisation",
          .summary = "LoRA with random matrices that stay, and two trained vectors per layer",
          .mergeable = true,
          .served_by = {"PEFT"},
          .learning_rate = 5e-3,
          .keys = joined({vera_keys(), vera_targeting_keys(), modules_to_save_keys()}),
          .parameters_beside = vera_parameters,
          .parameters_elsewhere = saved_module_parameters,
          .stored_elsewhere = vera_projections,
          .kept_by_target = kept_by_vera};
}

}  // namespace peft
