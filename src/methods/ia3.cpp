// (IA)^3: one learned vector per projection scales what attention's keys and values are, and what
// the last MLP projection is given.
#include <ATen/ATen.h>

#include "methods.h"
#include "peft/methods/host_parts.h"
#include "peft/methods/targets.h"
#include "peft/util/pattern.h"

namespace peft {
namespace {

/// y = (W x + b) * l, or y = W (x * l) + b on the last projection of an MLP. Liu et al. 2022,
/// equation 1. l starts at one, which leaves the host as it was.
class Ia3Linear final : public LinearHook {
 public:
  Ia3Linear(const Linear& host, bool scales_input) : scales_input_(scales_input) {
    const at::TensorOptions options =
        at::TensorOptions().dtype(at::kFloat).device(host.weight().device());
    l_ = register_parameter("ia3_l", scales_input ? at::ones({1, host.in_features()}, options)
                                                  : at::ones({host.out_features(), 1}, options));
  }

  Tensor forward(const Linear& host, const Tensor& x) override {
    const Tensor l = l_.view({-1}).to(x.scalar_type());
    return scales_input_ ? host.base(x * l) : host.base(x) * l;
  }
  Tensor merged_weight(const Tensor& weight) const override { return weight * l_; }
  Tensor merged_bias(const Tensor& bias) const override {
    return scales_input_ ? bias : bias * l_.view({-1});
  }

  void start_at_random(uint64_t seed, const std::string& path) {
    const at::NoGradGuard no_grad;
    l_.copy_(at::empty(l_.sizes(), at::kFloat).normal_(0.0, 1.0, tensor_generator(seed, path)));
  }

 private:
  bool scales_input_;
  Tensor l_;  // (out, 1) or (1, in)
};

/// Whether feedforward_modules names a target: endings without regard to dots, or an expression for
/// the whole name, as PEFT has it. Without the field: the place says it.
bool is_feed_forward(const Json& modules, const NamedLinear& target) {
  if (modules.is_string()) {
    return Pattern(modules.get<std::string>()).full_match(target.path);
  }
  if (!modules.is_array()) {
    return target.linear->place() == Place::kMlpDown;
  }
  return std::any_of(modules.begin(), modules.end(), [&](const Json& ending) {
    return target.path.ends_with(ending.get<std::string>());
  });
}

class Ia3Adapter final : public Adapter {
 public:
  Ia3Adapter(CausalLM& model, const Json& json, uint64_t seed) : Adapter(model), json_(json) {
    const TargetConfig config = TargetConfig::from(json);
    const std::vector<NamedLinear> targets = find_targets(
        model, config, {Place::kKey, Place::kValue, Place::kQueryKeyValue, Place::kMlpDown});
    json_["target_modules"] = saved_target_modules(config.target_modules, targets);
    Json inputs = Json::array();
    for (const NamedLinear& target : targets) {
      const bool scales_input = is_feed_forward(json.at("feedforward_modules"), target);
      const auto hook = std::make_shared<Ia3Linear>(*target.linear, scales_input);
      if (json.at("init_ia3_weights") == false) {
        hook->start_at_random(seed, target.path);
      }
      if (scales_input) {
        inputs.push_back(target.path);
      }
      json_["fan_in_fan_out"] = target.linear->layout() == WeightLayout::kInOut;
      plug(target.path, target.linear->hook, hook);
    }
    if (json.at("feedforward_modules").is_null()) {
      settle_names(targets, inputs);
    }
    borrow_parts(json.at("modules_to_save"), "modules_to_save");
  }

  Json config() const override { return json_; }

 private:
  /// PEFT wants every feed-forward name among the targets' names, so both lists are whole names.
  void settle_names(const std::vector<NamedLinear>& targets, const Json& inputs) {
    Json names = Json::array();
    for (const NamedLinear& target : targets) {
      names.push_back(target.path);
    }
    json_["target_modules"] = names;
    json_["feedforward_modules"] = inputs;
  }

  Json json_;
};

}  // namespace

std::unique_ptr<Adapter> attach_ia3(CausalLM& model, const Json& config, uint64_t seed) {
  return std::make_unique<Ia3Adapter>(model, config, seed);
}

}  // namespace peft
