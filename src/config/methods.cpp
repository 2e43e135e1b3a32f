#include "peft/config/methods.h"

#include "peft/util/text.h"

namespace peft {
namespace {

using enum ValueType;

/// A key that PEFT writes for an ability we lack; only the values that leave it unused are
/// accepted.
Key unavailable(std::string name, Json fallback, std::string missing,
                std::vector<Alias> aliases = {}) {
  return {.name = std::move(name),
          .types = {},
          .fallback = fallback,
          .aliases = std::move(aliases),
          .support = Support::kNeutral,
          .missing = std::move(missing),
          .neutral = {fallback}};
}

/// A field that PEFT writes and nothing here depends on.
Key ignored(std::string name, Json fallback) {
  return {.name = std::move(name),
          .types = {},
          .fallback = std::move(fallback),
          .support = Support::kNotUsed};
}

/// A field that PEFT reads, or once wrote, and does not write today.
Key legacy(std::string name) {
  return {
      .name = std::move(name), .types = {}, .fallback = std::nullopt, .support = Support::kNotUsed};
}

/// Which modules get an adapter.
std::vector<Key> targeting_keys() {
  return {
      {.name = "target_modules",
       .types = {kStringList, kString},
       .fallback = "all-linear",
       .aliases = {{"lora_target_modules"},
                   {"lora_target_linear", {{true, "all-linear"}, {false, nullptr}}},
                   {"lora_target", {{"all", "all-linear"}}},
                   {"lora_parameters.keys"},
                   {"target_regex"}},
       .summary = "all-linear (every linear layer but the head), a list of name endings, or a "
                  "regular expression over the whole name",
       .saved = nullptr,
       .fixed_by_adapter = true},
      {.name = "exclude_modules",
       .types = {kStringList, kString},
       .fallback = nullptr,
       .summary = "modules left out of the targets, in the same forms",
       .automatic = "none",
       .fixed_by_adapter = true},
      {.name = "layers_to_transform",
       .types = {kInt, kIntList},
       .fallback = nullptr,
       .least = 0,
       .most = 1e6,
       .summary = "numbers of the layers that are adapted; with a target list only",
       .automatic = "all",
       .fixed_by_adapter = true},
      {.name = "layers_pattern",
       .types = {kString, kStringList},
       .fallback = nullptr,
       .summary = "name of the container whose numbers count; with layers_to_transform only",
       .automatic = "any",
       .fixed_by_adapter = true},
  };
}

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
      {.name = "init_lora_weights",
       .types = {kBool, kString},
       .fallback = true,
       .choices = {"gaussian"},
       .aliases = {{"peft_init_lora_weights"}, {"init_weights"}},
       .summary = "start of A: true (uniform) or gaussian, with B zero; false: B random too, so "
                  "that training does not start from the base",
       .missing = "starts that change the base or need data are not available in this version",
       .saved_choices = {"orthogonal", "eva"},
       .fixed_by_adapter = true},
  };
}

std::vector<Key> unavailable_lora_keys() {
  const std::string saving = "training whole modules is not available in this version";
  return {
      unavailable("bias", "none", "training the base's biases is not available in this version"),
      unavailable("use_dora", false, "DoRA is not among this version's methods",
                  {{"peft_use_dora"}}),
      unavailable("lora_bias", false, "a bias on B is not available in this version"),
      unavailable("modules_to_save", nullptr, saving,
                  {{"lora_modules_to_save"}, {"additional_target"}}),
      unavailable("trainable_token_indices", nullptr,
                  "training single tokens is not available in this version",
                  {{"peft_trainable_token_indices"}}),
      unavailable("target_parameters", nullptr,
                  "adapting bare parameters is not available in this version"),
      unavailable("layer_replication", nullptr,
                  "repeating layers is not available in this version"),
      unavailable("ensure_weight_tying", false,
                  "adapting tied embeddings is not available in this version"),
      unavailable("loftq_config", Json::object(), "LoftQ is not available in this version"),
      unavailable("eva_config", nullptr, "EVA is not available in this version"),
      unavailable("corda_config", nullptr, "CorDA is not available in this version"),
      unavailable("lora_ga_config", nullptr, "LoRA-GA is not available in this version"),
      unavailable("alora_invocation_tokens", nullptr, "aLoRA is not available in this version"),
      unavailable("arrow_config", nullptr, "Arrow is not available in this version"),
      unavailable("kasa_config", nullptr, "KaSA is not available in this version"),
      unavailable("monteclora_config", nullptr, "MonteCLoRA is not available in this version"),
      unavailable("velora_config", nullptr, "VeLoRA is not available in this version"),
      unavailable("use_bdlora", nullptr, "BD-LoRA is not available in this version"),
      unavailable("use_qalora", false, "QA-LoRA is not available in this version"),
      unavailable("megatron_config", nullptr, "Megatron is not available in this version"),
      ignored("megatron_core", "megatron.core"),
      ignored("qalora_group_size", 16),
      ignored("fan_in_fan_out", false),
      legacy("merge_weights"),
      legacy("enable_lora"),
  };
}

std::vector<Key> lora_keys() {
  std::vector<Key> keys = low_rank_keys();
  for (const auto& more : {targeting_keys(), unavailable_lora_keys()}) {
    keys.insert(keys.end(), more.begin(), more.end());
  }
  return keys;
}

/// A (r, in) and B (out, r).
int64_t lora_parameters(const Json& adapter, int64_t out, int64_t in) {
  return adapter.at("r").get<int64_t>() * (out + in);
}

}  // namespace

const std::vector<Method>& methods() {
  static const std::vector<Method> all = {
      {.name = "lora",
       .peft_type = "LORA",
       .kind = "reparameterisation",
       .summary = "a low-rank update B A beside each chosen linear layer",
       .mergeable = true,
       .learning_rate = 1e-4,
       .keys = lora_keys(),
       .parameters = lora_parameters},
  };
  return all;
}

const Method* find_method(std::string_view name) {
  for (const Method& method : methods()) {
    if (lower_ascii(name) == method.name || lower_ascii(name) == lower_ascii(method.peft_type)) {
      return &method;
    }
  }
  return nullptr;
}

std::string available_methods() {
  std::vector<std::string> names;
  for (const Method& method : methods()) {
    names.push_back(method.peft_type);
  }
  return join(names, ", ");
}

const std::vector<Key>& common_adapter_keys() {
  static const std::vector<Key> keys = [] {
    Key type{.name = "peft_type",
             .types = {kString},
             .fallback = "LORA",
             .aliases = {{"use_peft", {{true, "LORA"}}},
                         {"finetuning_type"},
                         {"fine_tune_type"},
                         {"tuner_type"}},
             .summary = "method, by PEFT's name",
             .missing = "other methods are not available in this version",
             .fixed_by_adapter = true};
    for (const Method& method : methods()) {
      type.choices.push_back(method.peft_type);
      type.synonyms.push_back({method.name, method.peft_type});
    }
    const Key path{.name = "path",
                   .types = {kString},
                   .fallback = nullptr,
                   .summary =
                       "folder of a stored adapter to go on training; its config is the start "
                       "and other keys may not change its shape",
                   .automatic = "a new adapter"};
    const Key task{.name = "task_type",
                   .types = {},
                   .fallback = "CAUSAL_LM",
                   .support = Support::kNeutral,
                   .missing = "other tasks are not available in this version",
                   .neutral = {"CAUSAL_LM"}};
    return std::vector<Key>{type,
                            path,
                            task,
                            ignored("base_model_name_or_path", nullptr),
                            ignored("revision", nullptr),
                            ignored("inference_mode", false),
                            ignored("auto_mapping", nullptr),
                            ignored("peft_version", nullptr),
                            legacy("runtime_config")};
  }();
  return keys;
}

}  // namespace peft
