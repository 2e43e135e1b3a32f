// OFT: the input of every target is turned by a block-diagonal orthogonal matrix.
#include <ATen/ATen.h>

#include "methods.h"
#include "peft/methods/targets.h"

namespace peft {
namespace {

/// How a block's rotation is made from its skew-symmetric matrix Q.
struct Rotation {
  bool neumann = true;  ///< I + 2Q + 2Q^2 + ... + Q^n instead of (I - Q)(I + Q)^-1
  int64_t terms = 5;
};

/// Size of the blocks that divides `in`, nearest to the one asked for, as PEFT chooses it.
int64_t fitting_block(int64_t in, int64_t asked) {
  if (asked >= in) {
    return in;
  }
  int64_t higher = asked;
  while (higher <= in && in % higher != 0) {
    ++higher;
  }
  int64_t lower = asked;
  while (lower > 1 && in % lower != 0) {
    --lower;
  }
  return asked - lower <= higher - asked ? lower : higher;
}

/// y = (x R) W^T + b with R = diag(R_1 ... R_n). Qiu et al. 2023, section 3.3; Liu et al. 2025,
/// section 4, for the input side and the Neumann series. Q starts at zero, R at the identity.
class OftLinear final : public LinearHook {
 public:
  OftLinear(const Linear& host, int64_t block, bool shared, const Rotation& rotation)
      : block_(block), blocks_(host.in_features() / block), rotation_(rotation) {
    const at::TensorOptions options =
        at::TensorOptions().dtype(at::kFloat).device(host.weight().device());
    const auto holder = register_module("oft_R", std::make_shared<torch::nn::Module>());
    upper_ = holder->register_parameter(
        "weight", at::zeros({shared ? 1 : blocks_, block * (block - 1) / 2}, options));
    index_ = at::triu_indices(block, block, /*offset=*/1, options.dtype(at::kLong));
  }

  Tensor forward(const Linear& host, const Tensor& x) override {
    const Tensor pieces = x.to(at::kFloat).view({x.size(0), blocks_, block_}).transpose(0, 1);
    const Tensor turned = at::bmm(pieces, rotations()).transpose(0, 1).reshape(x.sizes());
    return host.base(turned.to(x.scalar_type()));
  }

  Tensor merged_weight(const Tensor& weight) const override {
    const Tensor pieces = weight.view({weight.size(0), blocks_, block_}).transpose(0, 1);
    return at::bmm(pieces, rotations().transpose(1, 2)).transpose(0, 1).reshape(weight.sizes());
  }

 private:
  /// (n, b, b)
  Tensor rotations() const {
    const Tensor upper = at::zeros({upper_.size(0), block_, block_}, upper_.options())
                             .index_put({at::arange(upper_.size(0), index_.options()).unsqueeze(1),
                                         index_[0].unsqueeze(0), index_[1].unsqueeze(0)},
                                        upper_);
    const Tensor q = upper - upper.transpose(1, 2);
    const Tensor identity = at::eye(block_, q.options()).expand_as(q);
    const Tensor r = rotation_.neumann
                         ? neumann_series(q, identity)
                         : at::linalg_solve(identity + q, identity - q, /*left=*/false);
    return r.expand({blocks_, block_, block_});
  }

  Tensor neumann_series(const Tensor& q, const Tensor& identity) const {
    Tensor sum = identity;
    if (rotation_.terms > 1) {
      sum = sum + 2.0 * q;
    }
    if (rotation_.terms > 2) {
      Tensor power = at::bmm(q, q);
      sum = sum + 2.0 * power;
      for (int64_t i = 3; i < rotation_.terms - 1; ++i) {
        power = at::bmm(power, q);
        sum = sum + 2.0 * power;
      }
      sum = sum + at::bmm(power, q);
    }
    return sum;
  }

  int64_t block_;
  int64_t blocks_;
  Rotation rotation_;
  Tensor upper_;  // (n, b (b - 1) / 2), or (1, ...) when all blocks share one
  Tensor index_;  // (2, b (b - 1) / 2)
};

class OftAdapter final : public Adapter {
 public:
  OftAdapter(CausalLM& model, const Json& json, uint64_t /*seed*/) : Adapter(model), json_(json) {
    const int64_t blocks = json.at("r").get<int64_t>();
    const int64_t size = json.at("oft_block_size").get<int64_t>();
    check<UsageError>((blocks == 0) != (size == 0),
                      "adapter.oft_block_size: exactly one of r (number of blocks) and "
                      "oft_block_size is given, the other is 0; found {} and {}",
                      blocks, size);
    const TargetConfig config = TargetConfig::from(json);
    const std::vector<NamedLinear> targets = find_targets(model, config);
    json_["target_modules"] = saved_target_modules(config.target_modules, targets);
    // PEFT asks which version of the series a file means, and fails on null.
    json_["peft_version"] = "0.21.2";
    const Rotation rotation{json.at("use_cayley_neumann").get<bool>(),
                            json.at("num_cayley_neumann_terms").get<int64_t>()};
    for (const NamedLinear& target : targets) {
      const int64_t in = target.linear->in_features();
      const int64_t block = size > 0 ? fitting_block(in, size) : in / fitting_block(in, blocks);
      json_["fan_in_fan_out"] = target.linear->layout() == WeightLayout::kInOut;
      plug(target.path, target.linear->hook,
           std::make_shared<OftLinear>(*target.linear, block, json.at("block_share").get<bool>(),
                                       rotation));
    }
    borrow_parts(json.at("modules_to_save"), "modules_to_save");
  }

  Json config() const override { return json_; }

 private:
  Json json_;
};

}  // namespace

std::unique_ptr<Adapter> attach_oft(CausalLM& model, const Json& config, uint64_t seed) {
  return std::make_unique<OftAdapter>(model, config, seed);
}

}  // namespace peft
