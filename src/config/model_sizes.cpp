#include "peft/config/model_sizes.h"

#include <algorithm>
#include <optional>

#include "peft/config/model_family.h"
#include "peft/config/rope_settings.h"
#include "peft/util/text.h"

namespace peft {
namespace {

/// How a family names a projection inside its block, and where that stands.
struct LinearName {
  const char* ending;
  Place place;
};

constexpr LinearName kLinearNames[] = {
    {"self_attn.q_proj", Place::kQuery},
    {"self_attn.k_proj", Place::kKey},
    {"self_attn.v_proj", Place::kValue},
    {"self_attn.o_proj", Place::kAttentionOut},
    {"mlp.gate_proj", Place::kMlpGate},
    {"mlp.up_proj", Place::kMlpUp},
    {"mlp.down_proj", Place::kMlpDown},
    {"attn.c_attn", Place::kQueryKeyValue},
    {"attn.c_proj", Place::kAttentionOut},
    {"mlp.c_fc", Place::kMlpUp},
    {"mlp.c_proj", Place::kMlpDown},
    {"attention.query_key_value", Place::kQueryKeyValue},
    {"attention.dense", Place::kAttentionOut},
    {"mlp.dense_h_to_4h", Place::kMlpUp},
    {"mlp.dense_4h_to_h", Place::kMlpDown},
    {"self_attn.qkv_proj", Place::kQueryKeyValue},
    {"mlp.gate_up_proj", Place::kMlpGateUp},
    {"self_attn.out_proj", Place::kAttentionOut},
    {"fc1", Place::kMlpUp},
    {"fc2", Place::kMlpDown},
    {"attention.self.query", Place::kQuery},
    {"attention.self.key", Place::kKey},
    {"attention.self.value", Place::kValue},
    {"attention.output.dense", Place::kAttentionOut},
    {"intermediate.dense", Place::kMlpUp},
    {"output.dense", Place::kMlpDown},
    {"pooler.dense", Place::kOther},
    {"decoder.project_in", Place::kOther},
    {"decoder.project_out", Place::kOther},
};

/// Buffers that old files carry and nobody loads.
bool is_buffer(const std::string& name) {
  for (const char* ending :
       {".rotary_emb.inv_freq", ".attn.bias", ".attn.masked_bias", ".attention.bias",
        ".attention.masked_bias", "embeddings.position_ids"}) {
    if (name.ends_with(ending)) {
      return true;
    }
  }
  return false;
}

/// LayerNorms have a bias, RMSNorms none.
bool is_layer_norm(const std::string& name) {
  return name.ends_with("norm.bias") || name.ends_with(".ln_1.bias") ||
         name.ends_with(".LayerNorm.bias");
}

/// The first of several fields that is a positive integer, or 0.
int64_t field(const Json& config, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    const auto found = config.find(name);
    if (found != config.end() && found->is_number_integer() && found->get<int64_t>() > 0) {
      return found->get<int64_t>();
    }
  }
  return 0;
}

/// The name of a tensor as a whole model's file has it: a file saved from the bare backbone lacks
/// the outer prefix, GPT-NeoX's files call the head otherwise, and BERT's first ones the norms'
/// weight and bias gamma and beta.
std::string full_name(const std::string& stored, const ModelFamily& family) {
  const std::string name =
      stored.ends_with(".LayerNorm.gamma")  ? stored.substr(0, stored.size() - 5) + "weight"
      : stored.ends_with(".LayerNorm.beta") ? stored.substr(0, stored.size() - 4) + "bias"
                                            : stored;
  if (name == "lm_head.weight" || name == "embed_out.weight") {
    return "lm_head.weight";
  }
  return is_class_head(name) || name.starts_with(family.prefix) ? name : family.prefix + name;
}

/// The number of the layer that a path belongs to, or nothing.
std::optional<int64_t> layer_of(const std::string& path) {
  for (const std::string& part : split(path, '.')) {
    if (!part.empty() && part.size() <= 6 &&
        part.find_first_not_of("0123456789") == std::string::npos) {
      return std::stoll(part);
    }
  }
  return std::nullopt;
}

/// "model.layers.3.mlp.up_proj.weight" as a projection, or nothing.
std::optional<PlannedLinear> linear_of(const std::string& name, const TensorInfo& info,
                                       const ModelFamily& family) {
  const std::string suffix = ".weight";
  if (!name.ends_with(suffix) || info.shape.size() != 2) {
    return std::nullopt;
  }
  PlannedLinear linear;
  linear.path = name.substr(0, name.size() - suffix.size());
  const auto known =
      std::find_if(std::begin(kLinearNames), std::end(kLinearNames), [&](const LinearName& entry) {
        return linear.path.ends_with(std::string(".") + entry.ending);
      });
  if (known == std::end(kLinearNames)) {
    return std::nullopt;
  }
  const std::optional<int64_t> layer = layer_of(linear.path);
  if (!layer && known->place != Place::kOther) {
    return std::nullopt;
  }
  linear.layer = layer.value_or(0);
  linear.place = known->place;
  const bool in_out = std::string(family.model_type) == "gpt2";  // its Conv1D
  linear.out = info.shape[in_out ? 1 : 0];
  linear.in = info.shape[in_out ? 0 : 1];
  return linear;
}

bool is_tied(const HfDirectory& directory, const ModelFamily& family) {
  const auto found = directory.config().find("tie_word_embeddings");
  return found != directory.config().end() && found->is_boolean() ? found->get<bool>()
                                                                  : family.tied_by_default;
}

/// Every tensor that a model loads, by its full name. The one matrix of a tied model is its
/// embedding, under whichever name the files hold it.
std::map<std::string, TensorInfo> loaded_tensors(const HfDirectory& directory,
                                                 const ModelFamily& family) {
  const bool tied = is_tied(directory, family);
  const bool classifies = !class_labels(directory.config()).empty();
  std::map<std::string, TensorInfo> tensors;
  std::optional<TensorInfo> head;
  for (const auto& [stored_name, info] : directory.tensors()) {
    const std::string name = full_name(stored_name, family);
    if (classifies && is_other_head(stored_name, directory.model_type())) {
      continue;
    }
    if (name == "lm_head.weight" && tied) {
      head = info;
    } else if (!is_buffer(name) && !(directory.has_new_head() && is_class_head(name))) {
      tensors.emplace(name, info);
    }
  }
  if (head) {
    tensors.try_emplace(family.embedding, *head);
  }
  return tensors;
}

/// What the name and the shape of one tensor tell.
void add_tensor(ModelSizes& sizes, const std::string& name, const TensorInfo& info) {
  sizes.parameters += info.elements();
  (is_class_head(name) ? sizes.class_head : sizes.elements[name]) += info.elements();
  sizes.stored[info.dtype] += info.elements();
  sizes.head_norms = sizes.head_norms || name.ends_with(".self_attn.q_norm.weight");
  sizes.branch_norms = sizes.branch_norms || name.ends_with(".pre_feedforward_layernorm.weight");
  sizes.layer_norms = sizes.layer_norms || is_layer_norm(name);
  if (name.ends_with(".experts.0.w1.weight") || name.ends_with(".experts.0.gate_proj.weight")) {
    sizes.expert_width = info.shape.at(0);
  }
}

void read_config(ModelSizes& sizes, const Json& config) {
  const int64_t width = field(config, {"hidden_size"});  // OPT's embeddings may be narrower
  sizes.hidden = width > 0 ? width : sizes.embedding_width;
  sizes.heads = std::max<int64_t>(1, field(config, {"num_attention_heads", "n_head"}));
  const int64_t kv_heads = field(config, {"num_key_value_heads"});
  sizes.kv_heads = kv_heads > 0 ? kv_heads : sizes.heads;
  sizes.expert_width *= std::max<int64_t>(1, field(config, {"num_experts_per_tok"}));
  sizes.classes = static_cast<int64_t>(class_labels(config).size());
  sizes.positions = scaled_positions(
      rope_settings(config), field(config, {"max_position_embeddings", "n_positions", "n_ctx"}));
  sizes.positions -= sizes.positions > 0 ? positions_before_text(config) : 0;
}

/// A head that the files lack: a matrix, with a bias in encoders; RoBERTa's has one more layer.
int64_t new_head_elements(const ModelSizes& sizes) {
  const int64_t dense = sizes.model_type == "roberta" ? sizes.hidden * (sizes.hidden + 1) : 0;
  return dense +
         sizes.classes * (sizes.embedding_width + (only_classifies(sizes.model_type) ? 1 : 0));
}

/// CPUs with AMX have these instructions too.
bool cpu_multiplies_bfloat16() {
  return __builtin_cpu_supports("avx512bf16") != 0;
}

}  // namespace

int64_t ModelSizes::width(Place place) const {
  const auto found = std::find_if(linears.begin(), linears.end(), [&](const PlannedLinear& linear) {
    return linear.place == place;
  });
  return found == linears.end() ? 0 : found->out;
}

int64_t ModelSizes::query_width() const {
  const int64_t fused = width(Place::kQueryKeyValue);
  return fused > 0 ? fused * heads / (heads + 2 * kv_heads) : width(Place::kQuery);
}

int64_t ModelSizes::key_width() const {
  const int64_t fused = width(Place::kQueryKeyValue);
  return fused > 0 ? fused * kv_heads / (heads + 2 * kv_heads) : width(Place::kKey);
}

int64_t ModelSizes::mlp_width() const {
  const int64_t own = std::max(width(Place::kMlpUp), width(Place::kMlpGateUp) / 2);
  return std::max(own, expert_width);
}

bool ModelSizes::is_gated() const {
  return width(Place::kMlpGate) > 0 || width(Place::kMlpGateUp) > 0 || expert_width > 0;
}

ModelSizes model_sizes(const HfDirectory& directory) {
  ModelSizes sizes;
  sizes.model_type = directory.model_type();
  const ModelFamily& family =
      find_family(sizes.model_type, (directory.path() / "config.json").string());
  for (const auto& [name, info] : loaded_tensors(directory, family)) {
    add_tensor(sizes, name, info);
    if (name == family.embedding) {
      sizes.vocabulary = info.shape.at(0);
      sizes.embedding_width = info.shape.back();
    }
    if (auto linear = linear_of(name, info, family)) {
      sizes.layers = std::max(sizes.layers, linear->layer + 1);
      sizes.linears.push_back(std::move(*linear));
    }
  }
  check<ModelError>(sizes.layers > 0 && sizes.embedding_width > 0,
                    "{}: no layers and embedding of a known model are among its {} tensors",
                    directory.path().string(), directory.tensors().size());
  read_config(sizes, directory.config());
  if (directory.has_new_head()) {
    sizes.class_head = new_head_elements(sizes);
    sizes.parameters += sizes.class_head;
    sizes.stored[directory.tensors().begin()->second.dtype] += sizes.class_head;
  }
  for (PlannedLinear& linear : sizes.linears) {
    linear.has_bias = sizes.elements.count(linear.path + ".bias") > 0;
  }
  std::stable_sort(sizes.linears.begin(), sizes.linears.end(),
                   [](const PlannedLinear& a, const PlannedLinear& b) {
                     return std::pair(a.layer, a.place) < std::pair(b.layer, b.place);
                   });
  return sizes;
}

Dtype computing_dtype(const std::string& choice, const HfDirectory& directory, bool on_gpu) {
  if (choice != "auto") {
    return choice == "bfloat16" ? Dtype::kBF16 : choice == "float16" ? Dtype::kF16 : Dtype::kF32;
  }
  check<ModelError>(!directory.tensors().empty(), "{}: no tensors", directory.path().string());
  const Dtype stored = directory.tensors().begin()->second.dtype;
  if (on_gpu) {
    return stored == Dtype::kF64 ? Dtype::kF32 : stored;
  }
  return stored == Dtype::kBF16 && cpu_multiplies_bfloat16() ? Dtype::kBF16 : Dtype::kF32;
}

}  // namespace peft
