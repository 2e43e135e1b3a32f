// LoRA: a low-rank update beside a frozen projection, with rsLoRA's scale and ranks by module.
#include <ATen/ATen.h>

#include <cmath>
#include <functional>

#include "methods.h"
#include "peft/kernels/dropout.h"
#include "peft/kernels/lora_linear.h"
#include "peft/methods/targets.h"

namespace peft {
namespace {

struct LoraConfig {
  int64_t r = 0;
  double alpha = 0.0;
  double dropout = 0.0;
  bool rslora = false;
  Json init;  // true, false or "gaussian"
  Json rank_pattern;
  Json alpha_pattern;
  TargetConfig targets;
};

/// Every field is present: the tables of the front end have filled in the defaults.
LoraConfig read_config(const Json& json) {
  LoraConfig config;
  config.r = json.at("r").get<int64_t>();
  config.alpha = json.at("lora_alpha").get<double>();
  config.dropout = json.at("lora_dropout").get<double>();
  config.rslora = json.at("use_rslora").get<bool>();
  config.init = json.at("init_lora_weights");
  config.rank_pattern = json.at("rank_pattern");
  config.alpha_pattern = json.at("alpha_pattern");
  config.targets = TargetConfig::from(json);
  return config;
}

/// One matrix as a module, so that its parameter is called "lora_A.weight" as in the files.
class Matrix final : public torch::nn::Module {
 public:
  Matrix(int64_t rows, int64_t columns, at::Device device)
      : weight(register_parameter(
            "weight",
            at::zeros({rows, columns}, at::TensorOptions().dtype(at::kFloat).device(device)))) {}
  Tensor weight;
};

/// h = W x + s B A drop(x), with A (R, in), B (out, R) and s = alpha / R (Hu et al. 2021, section
/// 4.1) or alpha / sqrt(R) (rsLoRA, Kalajdzievski 2023, theorem 3.2). B starts at zero, so an
/// untrained adapter leaves the host as it was.
class LoraLinear final : public LinearHook {
 public:
  LoraLinear(const Linear& host, int64_t rank, double scale, double dropout, int64_t key,
             std::shared_ptr<DropoutKeys> keys)
      : scale_(scale), dropout_(dropout), key_(key), keys_(std::move(keys)) {
    const at::Device device = host.weight().device();
    a_ = register_module("lora_A", std::make_shared<Matrix>(rank, host.in_features(), device));
    b_ = register_module("lora_B", std::make_shared<Matrix>(host.out_features(), rank, device));
  }

  Tensor forward(const Linear& host, const Tensor& x) override {
    Tensor dropped;
    if (is_training() && dropout_ > 0.0) {
      dropped = keyed_dropout(x, keys_->rows, key_, dropout_);
    }
    return lora_linear(x, host.weight(), host.bias(), a_->weight, b_->weight, scale_, host.layout(),
                       dropped);
  }

  /// Start values by PEFT's rules: A uniform in +-1/sqrt(in) (Kaiming with a = sqrt 5) or normal
  /// with deviation 1/R; B zero, or like A when `init` is false.
  void initialize(const Json& init, uint64_t seed, const std::string& path) {
    const at::NoGradGuard no_grad;
    const bool gaussian = init.is_string();
    fill(a_->weight, gaussian, seed, path + ".lora_A");
    if (init == false) {
      fill(b_->weight, /*gaussian=*/false, seed, path + ".lora_B");
    }
  }

 private:
  void fill(Tensor& weight, bool gaussian, uint64_t seed, const std::string& name) {
    Tensor values = at::empty(weight.sizes(), at::kFloat);
    if (gaussian) {
      values.normal_(0.0, 1.0 / static_cast<double>(weight.size(0)), tensor_generator(seed, name));
    } else {
      const double bound = 1.0 / std::sqrt(static_cast<double>(weight.size(1)));
      values.uniform_(-bound, bound, tensor_generator(seed, name));
    }
    weight.copy_(values);
  }

  double scale_;
  double dropout_;
  int64_t key_;
  std::shared_ptr<DropoutKeys> keys_;
  std::shared_ptr<Matrix> a_, b_;
};

class LoraAdapter final : public Adapter {
 public:
  LoraAdapter(CausalLM& model, const Json& json, uint64_t seed) : Adapter(model), json_(json) {
    const LoraConfig config = read_config(json);
    const std::vector<NamedLinear> targets = find_targets(model, config.targets);
    json_["target_modules"] = saved_target_modules(config.targets.target_modules, targets);
    int64_t key = 0;
    for (const NamedLinear& target : targets) {
      const int64_t rank = rank_of(config, target);
      const double alpha = pattern_value(config.alpha_pattern, target.path)
                               .value_or(Json(config.alpha))
                               .get<double>();
      const double divisor = static_cast<double>(rank);
      const double scale = alpha / (config.rslora ? std::sqrt(divisor) : divisor);
      const auto hook = std::make_shared<LoraLinear>(*target.linear, rank, scale, config.dropout,
                                                     key++, dropout());
      hook->initialize(config.init, seed, target.path);
      json_["fan_in_fan_out"] = target.linear->layout() == WeightLayout::kInOut;
      plug(target.path, target.linear->hook, hook);
    }
  }

  Json config() const override { return json_; }

 private:
  static int64_t rank_of(const LoraConfig& config, const NamedLinear& target) {
    const int64_t rank =
        pattern_value(config.rank_pattern, target.path).value_or(Json(config.r)).get<int64_t>();
    const int64_t limit = std::min(target.linear->in_features(), target.linear->out_features());
    check<UsageError>(rank >= 1 && rank <= limit,
                      "adapter.r: {}: expected a rank from 1 to {}, found {}", target.path, limit,
                      rank);
    return rank;
  }

  Json json_;
};

}  // namespace

std::unique_ptr<Adapter> attach_lora(CausalLM& model, const Json& config, uint64_t seed) {
  return std::make_unique<LoraAdapter>(model, config, seed);
}

}  // namespace peft
