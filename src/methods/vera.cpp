// VeRA: every target shares two frozen random matrices; two vectors per target train.
#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <cmath>

#include "methods.h"
#include "peft/kernels/dropout.h"
#include "peft/methods/targets.h"

namespace peft {
namespace {

constexpr const char* kSharedA = "base_model.vera_A";
constexpr const char* kSharedB = "base_model.vera_B";

/// The frozen pair: A (R, widest in), B (widest out, R).
struct Projections {
  Tensor a, b;
};

/// Kaiming's uniform rule from torch's own generator, so that a file without the pair means the
/// same here and there.
Tensor kaiming(int64_t rows, int64_t columns, at::Generator& generator) {
  const double bound = std::sqrt(3.0) * std::sqrt(2.0) / std::sqrt(static_cast<double>(columns));
  return at::empty({rows, columns}, at::kFloat).uniform_(-bound, bound, generator);
}

/// h = W x + l_b * (B (l_d * (A x))), with the first `in` columns of A and `out` rows of B.
/// Kopiczko et al. 2023, equation 2. l_b starts at zero.
class VeraLinear final : public LinearHook {
 public:
  VeraLinear(const Linear& host, std::shared_ptr<Projections> shared, double d_initial,
             double dropout, int64_t key, std::shared_ptr<DropoutKeys> keys)
      : shared_(std::move(shared)), dropout_(dropout), key_(key), keys_(std::move(keys)) {
    const at::TensorOptions options = shared_->a.options();
    b_ = register_parameter("vera_lambda_b", at::zeros({host.out_features()}, options));
    d_ = register_parameter("vera_lambda_d", at::full({shared_->a.size(0)}, d_initial, options));
  }

  Tensor forward(const Linear& host, const Tensor& x) override {
    Tensor z = x.to(at::kFloat);
    if (is_training() && dropout_ > 0.0) {
      z = keyed_dropout(z, keys_->rows, key_, dropout_);
    }
    const Tensor inner = frozen_linear(z, a_of(host.in_features()), {}) * d_;
    const Tensor update = frozen_linear(inner, b_of(host.out_features()), {}) * b_;
    return host.base(x) + update.to(x.scalar_type());
  }

  Tensor merged_weight(const Tensor& weight) const override {
    return weight +
           at::mm(b_of(weight.size(0)) * b_.unsqueeze(1), a_of(weight.size(1)) * d_.unsqueeze(1));
  }

 private:
  Tensor a_of(int64_t in) const { return shared_->a.narrow(1, 0, in); }
  Tensor b_of(int64_t out) const { return shared_->b.narrow(0, 0, out); }

  std::shared_ptr<Projections> shared_;
  double dropout_;
  int64_t key_;
  std::shared_ptr<DropoutKeys> keys_;
  Tensor b_;  // (out)
  Tensor d_;  // (R)
};

class VeraAdapter final : public Adapter {
 public:
  VeraAdapter(CausalLM& model, const Json& json, uint64_t /*seed*/)
      : Adapter(model), json_(json), shared_(std::make_shared<Projections>()) {
    const TargetConfig config = TargetConfig::from(json);
    const std::vector<NamedLinear> targets = find_targets(model, config);
    json_["target_modules"] = saved_target_modules(config.target_modules, targets);
    make_projections(targets);
    int64_t key = 0;
    for (const NamedLinear& target : targets) {
      json_["fan_in_fan_out"] = target.linear->layout() == WeightLayout::kInOut;
      plug(target.path, target.linear->hook,
           std::make_shared<VeraLinear>(*target.linear, shared_, json.at("d_initial").get<double>(),
                                        json.at("vera_dropout").get<double>(), key++, dropout()));
    }
    borrow_parts(json.at("modules_to_save"), "modules_to_save");
  }

  Json config() const override { return json_; }

  NamedTensors exported() const override {
    NamedTensors all = Adapter::exported();
    if (json_.at("save_projection") == true) {
      all.emplace_back(kSharedA, shared_->a);
      all.emplace_back(kSharedB, shared_->b);
    }
    return all;
  }

 private:
  void make_projections(const std::vector<NamedLinear>& targets) {
    int64_t widest_in = 0;
    int64_t widest_out = 0;
    for (const NamedLinear& target : targets) {
      widest_in = std::max(widest_in, target.linear->in_features());
      widest_out = std::max(widest_out, target.linear->out_features());
    }
    const int64_t rank = json_.at("r").get<int64_t>();
    at::Generator generator =
        at::make_generator<at::CPUGeneratorImpl>(json_.at("projection_prng_key").get<uint64_t>());
    const at::Device device = model().head().weight().device();
    shared_->a = kaiming(rank, widest_in, generator).to(device);
    shared_->b = kaiming(widest_out, rank, generator).to(device);
  }

  Json json_;
  std::shared_ptr<Projections> shared_;
};

}  // namespace

std::unique_ptr<Adapter> attach_vera(CausalLM& model, const Json& config, uint64_t seed) {
  return std::make_unique<VeraAdapter>(model, config, seed);
}

}  // namespace peft
