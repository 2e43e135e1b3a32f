#include "tables.h"

namespace peft {
namespace {

using enum ValueType;

std::vector<Key> adalora_rank_keys() {
  return {
      {.name = "target_r",
       .types = {kInt},
       .fallback = 8,
       .least = 1,
       .most = 65536,
       .summary = "mean rank per module that is left at the end"},
      {.name = "init_r",
       .types = {kInt},
       .fallback = 12,
       .least = 1,
       .most = 65536,
       .summary = "rank of every module at the start; half as much again as target_r is usual",
       .fixed_by_adapter = true},
      {.name = "lora_alpha",
       .types = {kNumber},
       .fallback = nullptr,
       .least = 0.0,
       .most = 1e9,
       .above_least = true,
       .summary = "the update is scaled by lora_alpha / init_r",
       .automatic = "2 x init_r",
       .saved = 8},
      {.name = "lora_dropout",
       .types = {kNumber},
       .fallback = 0.0,
       .least = 0.0,
       .most = 0.99,
       .summary = "share of the update's inputs dropped in training"},
  };
}

std::vector<Key> adalora_schedule_keys() {
  return {
      {.name = "total_step",
       .types = {kInt},
       .fallback = nullptr,
       .least = 1,
       .most = 1e12,
       .summary = "steps over which the ranks fall",
       .automatic = "the run's steps"},
      {.name = "tinit",
       .types = {kInt},
       .fallback = 0,
       .least = 0,
       .most = 1e12,
       .summary = "first steps, in which no rank is cut"},
      {.name = "tfinal",
       .types = {kInt},
       .fallback = 0,
       .least = 0,
       .most = 1e12,
       .summary = "last steps, in which the ranks stay as they are"},
      {.name = "deltaT",
       .types = {kInt},
       .fallback = 1,
       .least = 1,
       .most = 1e12,
       .summary = "steps between two cuts"},
      {.name = "beta1",
       .types = {kNumber},
       .fallback = 0.85,
       .least = 0.0,
       .most = 0.999999,
       .summary = "decay of the mean importance"},
      {.name = "beta2",
       .types = {kNumber},
       .fallback = 0.85,
       .least = 0.0,
       .most = 0.999999,
       .summary = "decay of the importance's uncertainty"},
      {.name = "orth_reg_weight",
       .types = {kNumber},
       .fallback = 0.5,
       .least = 0.0,
       .most = 1e6,
       .summary = "weight of the penalty that keeps the triplets orthogonal"},
      {.name = "rank_pattern",
       .types = {kFlagMap},
       .fallback = nullptr,
       .summary = "which triplets of a stored adapter are left",
       .automatic = "all",
       .fixed_by_adapter = true},
  };
}

/// Fields of LoRA that PEFT writes for AdaLoRA too.
std::vector<Key> adalora_neutral_keys() {
  const std::string reason = "belongs to LORA and has no effect here";
  return {
      unavailable_field("bias", "none", reason),
      unavailable_field("use_dora", false, reason),
      unavailable_field("use_rslora", false, reason),
      unavailable_field("lora_bias", false, reason),
      unavailable_field("trainable_token_indices", nullptr, reason),
      unavailable_field("target_parameters", nullptr, reason),
      unavailable_field("layer_replication", nullptr, reason),
      unavailable_field("ensure_weight_tying", false, reason),
      unavailable_field("loftq_config", Json::object(), reason),
      unavailable_field("eva_config", nullptr, reason),
      unavailable_field("corda_config", nullptr, reason),
      unavailable_field("lora_ga_config", nullptr, reason),
      unavailable_field("alora_invocation_tokens", nullptr, reason),
      unavailable_field("arrow_config", nullptr, reason),
      unavailable_field("kasa_config", nullptr, reason),
      unavailable_field("monteclora_config", nullptr, reason),
      unavailable_field("velora_config", nullptr, reason),
      unavailable_field("use_bdlora", nullptr, reason),
      unavailable_field("use_qalora", false, reason),
      unavailable_field("megatron_config", nullptr, reason),
      unavailable_field("init_lora_weights", true, reason),
      unavailable_field("alpha_pattern", Json::object(), reason),
      ignored_field("r", 8),
      ignored_field("megatron_core", "megatron.core"),
      ignored_field("qalora_group_size", 16),
      ignored_field("fan_in_fan_out", false),
  };
}

/// A (R, in), B (out, R) and E (R).
TargetUse kept_by_adalora(const Json& adapter, const PlannedLinear& /*target*/) {
  return {.numbers = adapter.at("init_r").get<int64_t>()};
}

int64_t adalora_parameters(const Json& adapter, const PlannedLinear& linear) {
  return adapter.at("init_r").get<int64_t>() * (linear.out + linear.in + 1);
}

/// What is left when the ranks have fallen to the target.
int64_t adalora_stored(const Json& adapter, const PlannedLinear& linear) {
  return adapter.at("target_r").get<int64_t>() * (linear.out + linear.in + 1);
}

}  // namespace

Method adalora_method() {
  return {.name = "adalora",
          .peft_type = "ADALORA",
          .kind = "hybrid",
          .summary = "LoRA as B E A whose ranks fall, in training, to where they matter most",
          .mergeable = true,
          .served_by = {"PEFT"},
          .learning_rate = 1e-3,
          .keys = joined({adalora_rank_keys(), adalora_schedule_keys(), targeting_keys(),
                          modules_to_save_keys(), adalora_neutral_keys()}),
          .parameters_beside = adalora_parameters,
          .parameters_elsewhere = saved_module_parameters,
          .stored_beside = adalora_stored,
          .kept_by_target = kept_by_adalora};
}

}  // namespace peft
