#include <set>

#include "peft/config/model_family.h"
#include "peft/config/target_selection.h"
#include "tables.h"

namespace peft {
namespace {

using enum ValueType;

std::vector<Key> low_rank_keys() {
  return {
      {.name = "r",
       .types = {kInt},
       .fallback = 16,
       .least = 1,
       .most = 65536,
       .aliases = {{"lora_r"}, {"lora_rank"}, {"lora_parameters.rank"}, {"model.lora_rank"}},
       .summary = "rank of the update",
       .saved = 8,
       .fixed_by_adapter = true},
      {.name = "lora_alpha",
       .types = {kNumber},
       .fallback = nullptr,
       .least = 0.0,
       .most = 1e9,
       .above_least = true,
       .aliases = {{"model.lora_alpha"}},
       .summary = "the update is scaled by lora_alpha / r",
       .automatic = "2 x r",
       .saved = 8},
      {.name = "lora_dropout",
       .types = {kNumber},
       .fallback = 0.0,
       .least = 0.0,
       .most = 0.99,
       .aliases = {{"lora_parameters.dropout"}, {"model.lora_dropout"}},
       .summary = "share of the update's inputs dropped in training"},
      {.name = "use_rslora",
       .types = {kBool},
       .fallback = false,
       .aliases = {{"peft_use_rslora"}},
       .summary = "scale by lora_alpha / sqrt(r) instead"},
      {.name = "rank_pattern",
       .types = {kIntMap},
       .fallback = Json::object(),
       .least = 1,
       .most = 65536,
       .aliases = {{"lora_rank_pattern"}},
       .summary = "other ranks: {name ending or regular expression: rank}",
       .fixed_by_adapter = true},
      {.name = "alpha_pattern",
       .types = {kNumberMap},
       .fallback = Json::object(),
       .least = 0.0,
       .most = 1e9,
       .above_least = true,
       .aliases = {{"lora_alpha_pattern"}},
       .summary = "other alphas: {name ending or regular expression: alpha}"},
  };
}

/// What makes more of LoRA than B A.
std::vector<Key> lora_variant_keys() {
  return {
      {.name = "use_dora",
       .types = {kBool},
       .fallback = false,
       .aliases = {{"peft_use_dora"}},
       .summary = "DoRA: train the length of every weight row apart from its direction",
       .fixed_by_adapter = true},
      {.name = "init_lora_weights",
       .types = {kBool, kString},
       .fallback = true,
       .choices = {"gaussian", "pissa", "olora"},
       .aliases = {{"peft_init_lora_weights"}, {"init_weights"}},
       .summary = "start of A: true (uniform) or gaussian, with B zero; pissa or olora: the "
                  "weight's largest singular vectors or its QR factors, taken out of the base; "
                  "false: B random too, so that training does not start from the base",
       .missing = "pissa_niter_k draws numbers that no file records: write \"pissa\"; starts that "
                  "need data are not available in this version",
       .saved_choices = {"orthogonal", "eva"},
       .fixed_by_adapter = true},
      {.name = "lora_bias",
       .types = {kBool},
       .fallback = false,
       .summary = "a bias on B; not with use_dora",
       .fixed_by_adapter = true},
  };
}

/// Tensors of the base that train beside the update.
std::vector<Key> trained_base_keys() {
  return {
      {.name = "bias",
       .types = {kString},
       .fallback = "none",
       .choices = {"none", "all", "lora_only"},
       .summary = "biases of the base that train: none, all, or those of the targets",
       .fixed_by_adapter = true},
      {.name = "trainable_token_indices",
       .types = {kIntList, kIntListMap},
       .fallback = nullptr,
       .least = 0,
       .most = 1e9,
       .aliases = {{"peft_trainable_token_indices"}},
       .summary = "rows of the embedding that train, as ids or as {module: ids}",
       .automatic = "none",
       .fixed_by_adapter = true},
      unavailable_field("ensure_weight_tying", false,
                        "adapting both sides of a tied embedding is not available in this version"),
  };
}

std::vector<Key> unavailable_lora_keys() {
  return {
      unavailable_field("target_parameters", nullptr,
                        "adapting bare parameters is not available in this version"),
      unavailable_field("layer_replication", nullptr,
                        "repeating layers is not available in this version"),
      unavailable_field("loftq_config", Json::object(), "LoftQ is not available in this version"),
      unavailable_field("eva_config", nullptr, "EVA is not available in this version"),
      unavailable_field("corda_config", nullptr, "CorDA is not available in this version"),
      unavailable_field("lora_ga_config", nullptr, "LoRA-GA is not available in this version"),
      unavailable_field("alora_invocation_tokens", nullptr,
                        "aLoRA is not available in this version"),
      unavailable_field("arrow_config", nullptr, "Arrow is not available in this version"),
      unavailable_field("kasa_config", nullptr, "KaSA is not available in this version"),
      unavailable_field("monteclora_config", nullptr,
                        "MonteCLoRA is not available in this version"),
      unavailable_field("velora_config", nullptr, "VeLoRA is not available in this version"),
      unavailable_field("use_bdlora", nullptr, "BD-LoRA is not available in this version"),
      unavailable_field("use_qalora", false, "QA-LoRA is not available in this version"),
      unavailable_field("megatron_config", nullptr, "Megatron is not available in this version"),
      ignored_field("megatron_core", "megatron.core"),
      ignored_field("qalora_group_size", 16),
      ignored_field("fan_in_fan_out", false),
      legacy_field("merge_weights"),
      legacy_field("enable_lora"),
  };
}

/// A (r, in) and B (out, r); a length and a bias per output; the target's own bias.
int64_t lora_parameters(const Json& adapter, const PlannedLinear& target) {
  const int64_t per_output = (adapter.at("use_dora").get<bool>() ? 1 : 0) +
                             (adapter.at("lora_bias").get<bool>() ? 1 : 0) +
                             (adapter.at("bias") == "lora_only" && target.has_bias ? 1 : 0);
  return adapter.at("r").get<int64_t>() * (target.out + target.in) + per_output * target.out;
}

/// The input and the inner product; DoRA's output too, unless its reader keeps it as it is.
TargetUse kept_by_lora(const Json& adapter, const PlannedLinear& target) {
  static const std::set<Place> kKeptByReader = {Place::kValue, Place::kMlpGate, Place::kMlpUp};
  const bool output = adapter.at("use_dora") == true && kKeptByReader.count(target.place) == 0;
  return {.numbers = adapter.at("r").get<int64_t>() + (output ? target.out : 0)};
}

/// A (r, V) and B (H, r) of the token embedding, where it is a target.
int64_t embedding_parameters(const Json& adapter, const ModelSizes& model) {
  const auto& families = model_families();
  const auto family = std::find_if(families.begin(), families.end(), [&](const ModelFamily& each) {
    return model.elements.count(each.embedding) > 0;
  });
  const TargetConfig config = TargetConfig::from(adapter);
  if (family == families.end() || config.is_all_linear()) {
    return 0;
  }
  const std::string weight = family->embedding;
  const std::string module = weight.substr(0, weight.rfind('.'));
  if (!TargetSelection(config).takes(module, /*is_default=*/false)) {
    return 0;
  }
  const int64_t rank =
      pattern_value(adapter.at("rank_pattern"), module).value_or(adapter.at("r")).get<int64_t>();
  return rank * (model.elements.at(weight) / model.hidden + model.hidden);
}

/// Whole modules, all biases, rows of the embedding, and what stands beside the embedding.
int64_t parameters_beside_lora(const Json& adapter, const ModelSizes& model) {
  int64_t count = saved_module_parameters(adapter, model) + embedding_parameters(adapter, model);
  for (const auto& [name, elements] : model.elements) {
    count += adapter.at("bias") == "all" && name.ends_with(".bias") ? elements : 0;
  }
  const Json& tokens = adapter.at("trainable_token_indices");
  for (const Json& entry : tokens) {
    count += model.hidden * static_cast<int64_t>(entry.is_array() ? entry.size() : 1);
  }
  return count;
}

}  // namespace

Method lora_method() {
  return {.name = "lora",
          .peft_type = "LORA",
          .kind = "reparameterisation",
          .summary = "a low-rank update B A beside each chosen linear layer",
          .mergeable = true,
          .served_by = {"PEFT", "vLLM", "llama.cpp"},
          .learning_rate = 1e-4,
          .keys = joined({low_rank_keys(), lora_variant_keys(), targeting_keys(),
                          trained_base_keys(), modules_to_save_keys(), unavailable_lora_keys()}),
          .parameters_beside = lora_parameters,
          .parameters_elsewhere = parameters_beside_lora,
          .kept_by_target = kept_by_lora};
}

}  // namespace peft
