// Methods that change weights in another form than LoRA's: the nearest LoRA of a rank.
#include "nearest_lora.h"

#include <ATen/ATen.h>

#include <map>
#include <set>

#include "methods.h"
#include "peft/config/adapter_config.h"
#include "peft/methods/host_parts.h"
#include "peft/models/load.h"
#include "peft/models/scalar_type.h"

namespace peft {
namespace {

/// A tensor of the base in float32.
Tensor base_values(const HfDirectory& base, const std::string& name) {
  const TensorInfo& info = base.tensors().at(name);
  Tensor values = at::empty(info.shape, scalar_type(info.dtype, name));
  base.read(name,
            {static_cast<std::byte*>(values.data_ptr()), static_cast<size_t>(values.nbytes())});
  return values.to(at::kFloat);
}

/// A module that no low-rank update fits, with all its parameters.
struct WholeModule {
  NamedTensors tensors;
  bool changed = false;
};

class Approximation {
 public:
  Approximation(const StoredAdapter& stored, const HfDirectory& base, int64_t rank)
      : stored_(stored), base_(base), rank_(rank), type_(stored.config.at("peft_type")) {
    for (const auto& [name, tensor] : stored.tensors) {
      names_.insert(name);
    }
    model_ = build_model(base, at::kFloat, at::kCPU);
    if (starts_from_host(stored.config.value("init_lora_weights", Json()))) {
      model_.model = load_model(base, at::kFloat, at::kCPU);
    }
    adapter_ = load_adapter(*model_.model, stored);
    for (const NamedLinear& linear : model_.model->projections()) {
      linears_[linear.path] = linear.linear;
    }
    linears_["lm_head"] = &model_.model->head();
  }

  LoraConversion convert() {
    start_config();
    for (const auto& [parameter, name] : model_.names) {
      const std::string path = parameter.substr(0, parameter.rfind('.'));
      if (adapter_->merge_changes(parameter) && is_own(path, parameter)) {
        const Tensor before = base_values(base_, name);
        add(path, parameter, before, adapter_->merged(parameter, before));
      }
    }
    add_biases();
    add_whole_modules();
    sort_by_module(result_.lora.updates);
    settle_config(result_.lora, /*keeps_targets=*/type_ != "FULL");
    return std::move(result_);
  }

 private:
  void start_config() {
    Json& config = result_.lora.config;
    config = lora_config(adapter_->config());
    for (const char* key : {"base_model_name_or_path", "bias", "trainable_token_indices"}) {
      config[key] = stored_.config.value(key, config.at(key));
    }
    const auto parameters = model_.model->named_parameters();
    const size_t prefix = std::string(kPeftPrefix).size();
    for (const auto& [name, tensor] : stored_.tensors) {
      const bool whole = name.starts_with(kPeftPrefix) && parameters.contains(name.substr(prefix));
      const bool beside_factors = type_ == "LORA" && name.find(".lora_") == std::string::npos;
      if (beside_factors || (whole && type_ != "FULL")) {
        result_.lora.others.emplace_back(name, tensor);
      }
    }
  }

  /// Whether the parameter changes by the method itself. What else a file holds, whole modules and
  /// what LoRA has beside its factors, is carried over.
  bool is_own(const std::string& path, const std::string& parameter) const {
    if (type_ == "LORA") {
      return parameter.ends_with(".weight") &&
             names_.count(kPeftPrefix + path + ".lora_A.weight") > 0;
    }
    return type_ == "FULL" || names_.count(kPeftPrefix + parameter) == 0;
  }

  void add(const std::string& path, const std::string& parameter, const Tensor& before,
           const Tensor& after) {
    const auto linear = linears_.find(path);
    if (linear != linears_.end() && parameter.ends_with(".bias")) {
      biases_[path] = after;
      biases_change_ = biases_change_ || !at::equal(before, after);
    } else if (linear != linears_.end()) {
      const bool transposed = linear->second->layout() == WeightLayout::kInOut;
      result_.lora.config["fan_in_fan_out"] = transposed;
      add_update(path, transposed ? (after - before).t() : after - before);
    } else if (path == embedding_path(*model_.model)) {
      add_embedding(path, after - before);
    } else {
      whole_[path].tensors.emplace_back(kPeftPrefix + parameter, after);
      whole_[path].changed = whole_[path].changed || !at::equal(before, after);
    }
  }

  /// change: (out, in), of an embedding (D, V)
  void add_update(const std::string& path, const Tensor& change, bool is_embedding = false) {
    const LowRank update = nearest(change, rank_);
    result_.lora.updates.push_back({path, is_embedding, update});
    result_.fits.push_back({path, update.rank(), relative_error(update, change)});
  }

  /// A head that shares the table's memory changes with it, which LoRA's embedding does not do.
  void add_embedding(const std::string& path, const Tensor& change) {
    add_update(path, change.t(), /*is_embedding=*/true);
    if (model_.model->is_tied()) {
      const LowRank update = result_.lora.updates.back().update;
      result_.lora.updates.push_back(
          {"lm_head", false, {update.b.t().contiguous(), update.a.t().contiguous(), update.scale}});
    }
  }

  /// LoRA trains the biases of all targets or of none.
  void add_biases() {
    if (!biases_change_) {
      return;
    }
    result_.lora.config["bias"] = "lora_only";
    for (const auto& [path, bias] : biases_) {
      result_.lora.others.emplace_back(kPeftPrefix + path + ".base_layer.bias", bias);
    }
  }

  void add_whole_modules() {
    Json& saved = result_.lora.config["modules_to_save"];
    for (const auto& [path, module] : whole_) {
      if (module.changed) {
        saved.push_back(path);
        result_.lora.others.insert(result_.lora.others.end(), module.tensors.begin(),
                                   module.tensors.end());
      }
    }
  }

  const StoredAdapter& stored_;
  const HfDirectory& base_;
  int64_t rank_;
  std::string type_;
  std::set<std::string> names_;  // of the stored tensors
  UnreadModel model_;
  std::unique_ptr<Adapter> adapter_;  // ends before the model
  std::map<std::string, const Linear*> linears_;
  std::map<std::string, Tensor> biases_;
  bool biases_change_ = false;
  std::map<std::string, WholeModule> whole_;
  LoraConversion result_;
};

}  // namespace

Json lora_config(const Json& config) {
  Json lora = {{"peft_type", "LORA"}, {"inference_mode", true}};
  for (const char* key : {"target_modules", "exclude_modules", "layers_to_transform",
                          "layers_pattern", "modules_to_save", "base_model_name_or_path",
                          "fan_in_fan_out", "task_type", "lora_dropout"}) {
    if (config.contains(key)) {
      lora[key] = config.at(key);
    }
  }
  return complete_adapter_config(lora);
}

LoraConversion nearest_lora(const StoredAdapter& stored, const HfDirectory& base, int64_t rank) {
  return Approximation(stored, base, rank).convert();
}

}  // namespace peft
