// Selective methods: some of the host's own tensors train in place. Norms (LN tuning), biases
// (BitFit), or everything or chosen layers (full fine-tuning, the baseline).
#include <ATen/ATen.h>

#include <set>

#include "methods.h"
#include "peft/config/adapter_config.h"
#include "peft/methods/host_parts.h"
#include "peft/methods/targets.h"
#include "peft/nn/norm.h"

namespace peft {
namespace {

bool is_norm(const torch::nn::Module* module) {
  return dynamic_cast<const Norm*>(module) != nullptr;
}

class SelectiveAdapter : public Adapter {
 public:
  SelectiveAdapter(CausalLM& model, Json json) : Adapter(model), json_(std::move(json)) {}
  Json config() const override { return json_; }

 protected:
  Json json_;
};

/// A copy of every norm trains. Zhao et al. 2023, section 3.
class LnTuning final : public SelectiveAdapter {
 public:
  LnTuning(CausalLM& model, const Json& json) : SelectiveAdapter(model, json) {
    const Json& wanted = json.at("target_modules");
    std::set<std::string> names;
    for (const auto& module : model.named_modules("", /*include_self=*/false)) {
      const std::string& path = module.key();
      const bool taken = wanted.is_null() ? is_block_norm(path) : selects(wanted, path);
      if (!is_norm(module.value().get()) || !taken || selects(json.at("exclude_modules"), path)) {
        continue;
      }
      names.insert(path.substr(path.rfind('.') + 1));
      norms_.insert(path);
      for (const auto& parameter : module.value()->named_parameters(/*recurse=*/false)) {
        borrow(path + "." + parameter.key());
      }
    }
    check<UsageError>(!names.empty(), "adapter.target_modules: {} matches no norm of {}",
                      json_excerpt(wanted), model.shape().architecture);
    if (wanted.is_null()) {
      json_["target_modules"] = names;
    }
    borrow_parts(json.at("modules_to_save"), "modules_to_save");
  }

 protected:
  std::string exported_name(const std::string& own) const override {
    const size_t dot = own.rfind('.');
    const std::string path = own.substr(0, dot);
    return kPeftPrefix + path + (norms_.count(path) > 0 ? ".ln_tuning_layers" : "") +
           own.substr(dot);
  }

 private:
  /// Norms of the heads (Qwen3's q_norm and k_norm) are not among PEFT's targets.
  static bool is_block_norm(const std::string& path) {
    return !path.ends_with(".q_norm") && !path.ends_with(".k_norm");
  }

  std::set<std::string> norms_;
};

/// Every bias trains. Ben Zaken et al. 2021, section 3. PEFT has no such type; it loads the file as
/// a LoRA without targets whose base biases were trained.
class BitFit final : public SelectiveAdapter {
 public:
  BitFit(CausalLM& model, const Json& json)
      : SelectiveAdapter(
            model, complete_adapter_config({{"peft_type", "LORA"},
                                            {"target_modules", kNoTargets},
                                            {"bias", "all"},
                                            {"task_type", json.at("task_type")},
                                            {"modules_to_save", json.at("modules_to_save")}})) {
    const std::vector<std::string> names = parameters_ending_with(model, ".bias");
    check<UsageError>(!names.empty(), "adapter.peft_type: {} has no biases for BITFIT to train",
                      model.shape().architecture);
    for (const std::string& name : names) {
      borrow(name);
    }
    borrow_parts(json.at("modules_to_save"), "modules_to_save");
  }
};

/// The host itself trains: all of it, or the modules and layers that the config names.
class FullTuning final : public SelectiveAdapter {
 public:
  FullTuning(CausalLM& model, const Json& json) : SelectiveAdapter(model, json) {
    const TargetConfig config = TargetConfig::from(json);
    const TargetSelection selection(config);
    size_t taken = 0;
    for (const auto& parameter : model.named_parameters()) {
      const std::string& name = parameter.key();
      const bool shared = name == "lm_head.weight" && model.is_tied();
      if (!shared && selection.takes(name.substr(0, name.rfind('.')), /*is_default=*/true)) {
        borrow(name, /*keep_tie=*/true);
        ++taken;
      }
    }
    check<UsageError>(taken > 0, "adapter.target_modules: {} matches no module of {}",
                      json_excerpt(config.target_modules), model.shape().architecture);
  }
};

}  // namespace

std::unique_ptr<Adapter> attach_ln_tuning(CausalLM& model, const Json& config, uint64_t /*seed*/) {
  return std::make_unique<LnTuning>(model, config);
}

std::unique_ptr<Adapter> attach_bitfit(CausalLM& model, const Json& config, uint64_t /*seed*/) {
  return std::make_unique<BitFit>(model, config);
}

std::unique_ptr<Adapter> attach_full(CausalLM& model, const Json& config, uint64_t /*seed*/) {
  return std::make_unique<FullTuning>(model, config);
}

}  // namespace peft
