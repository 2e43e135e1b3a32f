#include "tables.h"

namespace peft {
namespace {

using enum ValueType;

std::vector<Key> ia3_keys() {
  return {
      {.name = "feedforward_modules",
       .types = {kStringList},
       .fallback = nullptr,
       .may_be_empty = true,
       .summary = "targets whose input is scaled instead of their output",
       .automatic = "the last MLP projection, where it is a target",
       .fixed_by_adapter = true},
      {.name = "init_ia3_weights",
       .types = {kBool},
       .fallback = true,
       .summary =
           "start from ones; false: at random, so that training does not start from the base"},
      ignored_field("fan_in_fan_out", false),
  };
}

/// A factor per output, or per input of the last MLP projection.
int64_t ia3_parameters(const Json& /*adapter*/, const PlannedLinear& linear) {
  return linear.place == Place::kMlpDown ? linear.in : linear.out;
}

/// What the factor multiplies.
TargetUse kept_by_ia3(const Json& /*adapter*/, const PlannedLinear& linear) {
  const bool scales_input = linear.place == Place::kMlpDown;
  return {.input = scales_input, .repeats = false, .numbers = scales_input ? 0 : linear.out};
}

}  // namespace

Method ia3_method() {
  return {.name = "ia3",
          .peft_type = "IA3",
          .kind = "additive",
          .summary = "a learned factor for every key, value and inner MLP activation",
          .mergeable = true,
          .served_by = {"PEFT"},
          .learning_rate = 5e-3,
          .keys = joined({own_target_keys("keys, values and the last projection of the MLP"),
                          ia3_keys(), modules_to_save_keys()}),
          .places = {Place::kKey, Place::kValue, Place::kQueryKeyValue, Place::kMlpDown},
          .parameters_beside = ia3_parameters,
          .parameters_elsewhere = saved_module_parameters,
          .kept_by_target = kept_by_ia3};
}

}  // namespace peft
