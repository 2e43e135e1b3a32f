// AdaLoRA: LoRA in the form of a singular value decomposition, whose values are cut by importance
// while training, until a budget over all targets is met.
#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>

#include "methods.h"
#include "peft/kernels/dropout.h"
#include "peft/kernels/importance.h"
#include "peft/kernels/lora_linear.h"
#include "peft/kernels/orthogonality.h"
#include "peft/methods/rank_budget.h"
#include "peft/methods/targets.h"

namespace peft {
namespace {

/// h = W x + s B ((A drop(x)) * E), with A (R, in), E (R, 1), B (out, R) and s = alpha / R. Zhang
/// et al. 2023, equation 3. E starts at zero.
class AdaLoraLinear final : public LinearHook {
 public:
  AdaLoraLinear(const Linear& host, int64_t rows, double scale, double dropout, int64_t key,
                std::shared_ptr<DropoutKeys> keys)
      : scale_(scale), dropout_(dropout), key_(key), keys_(std::move(keys)) {
    const at::TensorOptions options =
        at::TensorOptions().dtype(at::kFloat).device(host.weight().device());
    a_ = register_parameter("lora_A", at::zeros({rows, host.in_features()}, options));
    b_ = register_parameter("lora_B", at::zeros({host.out_features(), rows}, options));
    e_ = register_parameter("lora_E", at::zeros({rows, 1}, options));
  }

  Tensor forward(const Linear& host, const Tensor& x) override {
    Tensor dropped;
    if (is_training() && dropout_ > 0.0) {
      dropped = keyed_dropout(x, keys_->rows, key_, dropout_);
    }
    return lora_linear(x, host.weight(), host.bias(), a_ * e_, b_, scale_, host.layout(), dropped);
  }

  Tensor merged_weight(const Tensor& weight) const override {
    return weight + at::mm(b_, a_ * e_) * scale_;
  }

  void start(uint64_t seed, const std::string& path) {
    const at::NoGradGuard no_grad;
    for (const auto& [tensor, name] : {std::pair(a_, ".lora_A"), std::pair(b_, ".lora_B")}) {
      Tensor target = tensor;
      target.copy_(at::empty(target.sizes(), at::kFloat)
                       .normal_(0.0, 0.02, tensor_generator(seed, path + name)));
    }
  }

  const Tensor& A() const { return a_; }
  const Tensor& B() const { return b_; }
  Tensor& E() { return e_; }

 private:
  double scale_;
  double dropout_;
  int64_t key_;
  std::shared_ptr<DropoutKeys> keys_;
  Tensor a_, b_, e_;
};

/// How much each number of a tensor matters to the loss: the average of |value * gradient| times
/// the average of its change. Equations 8 to 10.
class Importance {
 public:
  explicit Importance(const Tensor& parameter)
      : mean_(at::zeros_like(parameter)), uncertainty_(at::zeros_like(parameter)) {}

  void update(const Tensor& parameter, double beta1, double beta2) {
    update_importance(parameter, parameter.grad(), mean_, uncertainty_, beta1, beta2);
  }
  Tensor score() const { return mean_ * uncertainty_; }

  const Tensor& mean() const { return mean_; }
  const Tensor& uncertainty() const { return uncertainty_; }

 private:
  Tensor mean_, uncertainty_;
};

/// One target while the budget falls.
struct Target {
  std::string path;
  std::shared_ptr<AdaLoraLinear> hook;
  Importance a, b, e;
  Tensor kept;  // (R) bool: what the last cut left; undefined before it

  Target(std::string target_path, std::shared_ptr<AdaLoraLinear> linear)
      : path(std::move(target_path)),
        hook(std::move(linear)),
        a(hook->A()),
        b(hook->B()),
        e(hook->E()) {}

  std::vector<std::pair<const char*, const Importance*>> importances() const {
    return {{"A", &a}, {"B", &b}, {"E", &e}};
  }

  /// Triplets that are left.
  double rank() const {
    return kept.defined() ? kept.sum().item<double>() : static_cast<double>(hook->E().numel());
  }

  /// Of each triplet (E_i, A_i, B_i): (R). Equation 7.
  Tensor scores() const { return e.score().view({-1}) + a.score().mean(1) + b.score().mean(0); }
};

class AdaLoraAdapter final : public Adapter {
 public:
  AdaLoraAdapter(CausalLM& model, const Json& json, uint64_t seed) : Adapter(model), json_(json) {
    const TargetConfig config = TargetConfig::from(json);
    const std::vector<NamedLinear> targets = find_targets(model, config);
    json_["target_modules"] = saved_target_modules(config.target_modules, targets);
    const int64_t rank = json.at("init_r").get<int64_t>();
    const double scale =
        json.at("lora_alpha").get<double>() / (static_cast<double>(rank) + kRankEpsilon);
    int64_t key = 0;
    for (const NamedLinear& target : targets) {
      const auto hook =
          std::make_shared<AdaLoraLinear>(*target.linear, stored_rows(target.path, rank), scale,
                                          json.at("lora_dropout").get<double>(), key++, dropout());
      hook->start(seed, target.path);
      json_["fan_in_fan_out"] = target.linear->layout() == WeightLayout::kInOut;
      plug(target.path, target.linear->hook, hook);
      targets_.emplace_back(target.path, hook);
      budget_.initial += hook->E().numel();
    }
    budget_.target = json.at("target_r").get<int64_t>() * static_cast<int64_t>(targets_.size());
    budget_.warmup = json.at("tinit").get<int64_t>();
    budget_.cooldown = json.at("tfinal").get<int64_t>();
    budget_.interval = std::max<int64_t>(1, json.at("deltaT").get<int64_t>());
    borrow_parts(json.at("modules_to_save"), "modules_to_save");
  }

  Json config() const override {
    Json json = json_;
    if (targets_.front().kept.defined()) {
      json["rank_pattern"] = Json::object();
      for (const Target& target : targets_) {
        json["rank_pattern"][target.path + ".lora_E"] = flags(target.kept);
      }
    }
    return json;
  }

  /// Only the triplets that are left.
  NamedTensors exported() const override {
    NamedTensors all = Adapter::exported();
    for (const Target& target : targets_) {
      if (!target.kept.defined()) {
        continue;
      }
      const Tensor left = target.kept.nonzero().squeeze(1);
      const std::string path = kPeftPrefix + target.path;
      for (auto& [name, tensor] : all) {
        if (name == path + ".lora_A" || name == path + ".lora_E") {
          tensor = tensor.index_select(0, left);
        } else if (name == path + ".lora_B") {
          tensor = tensor.index_select(1, left);
        }
      }
    }
    return all;
  }

  Tensor penalty() const override {
    std::vector<Tensor> a, b;
    for (const Target& target : targets_) {
      a.push_back(target.hook->A());
      b.push_back(target.hook->B());
    }
    const double count = 2.0 * static_cast<double>(targets_.size());
    return orthogonality(a, b) * (json_.at("orth_reg_weight").get<double>() / count);
  }

  void before_training(int64_t total_steps) override {
    if (json_.at("total_step").is_null()) {
      json_["total_step"] = total_steps;
    }
    budget_.total_steps = json_.at("total_step").get<int64_t>();
    check<UsageError>(
        budget_.warmup < budget_.total_steps - budget_.cooldown,
        "adapter.tinit: {} steps at the start and {} at the end (tfinal) leave none of "
        "{} in between",
        budget_.warmup, budget_.cooldown, budget_.total_steps);
  }

  void after_step(int64_t step) override {
    const at::NoGradGuard no_grad;
    if (budget_.is_fixed(step)) {
      apply_masks();
      return;
    }
    if (!budget_.is_settling(step)) {
      const double beta1 = json_.at("beta1").get<double>();
      const double beta2 = json_.at("beta2").get<double>();
      for (Target& target : targets_) {
        target.a.update(target.hook->A(), beta1, beta2);
        target.b.update(target.hook->B(), beta1, beta2);
        target.e.update(target.hook->E(), beta1, beta2);
      }
    }
    if (budget_.cuts(step)) {
      cut_to(budget_.at(step));
    }
  }

  std::vector<std::pair<std::string, double>> figures() const override {
    std::vector<double> ranks;
    for (const Target& target : targets_) {
      ranks.push_back(target.rank());
    }
    const auto [least, most] = std::minmax_element(ranks.begin(), ranks.end());
    const double sum = std::accumulate(ranks.begin(), ranks.end(), 0.0);
    return {{"mean_rank", sum / static_cast<double>(ranks.size())},
            {"least_rank", *least},
            {"most_rank", *most}};
  }

  NamedTensors state() const override {
    NamedTensors all;
    for (const Target& target : targets_) {
      for (const auto& [name, importance] : target.importances()) {
        all.emplace_back(target.path + "." + name + ".mean", importance->mean());
        all.emplace_back(target.path + "." + name + ".uncertainty", importance->uncertainty());
      }
      if (target.kept.defined()) {
        all.emplace_back(target.path + ".kept", target.kept.to(at::kFloat));
      }
    }
    return all;
  }

  void restore_state(const NamedTensors& state) override {
    const at::NoGradGuard no_grad;
    const std::map<std::string, Tensor> given(state.begin(), state.end());
    for (Target& target : targets_) {
      for (const auto& [name, importance] : target.importances()) {
        const std::string path = target.path + "." + name;
        importance->mean().copy_(found(given, path + ".mean"));
        importance->uncertainty().copy_(found(given, path + ".uncertainty"));
      }
      if (given.count(target.path + ".kept") > 0) {
        target.kept = given.at(target.path + ".kept").to(target.hook->E().device(), at::kBool);
      }
    }
  }

 private:
  static const Tensor& found(const std::map<std::string, Tensor>& given, const std::string& name) {
    const auto entry = given.find(name);
    check<ModelError>(entry != given.end(), "the checkpoint lacks AdaLoRA's \"{}\"", name);
    return entry->second;
  }

  /// Rows of a stored adapter whose ranks were cut: those that rank_pattern says are left.
  int64_t stored_rows(const std::string& path, int64_t rank) const {
    const Json& pattern = json_.at("rank_pattern");
    if (!pattern.is_object() || !pattern.contains(path + ".lora_E")) {
      return rank;
    }
    const Json& left = pattern.at(path + ".lora_E");
    return std::count(left.begin(), left.end(), Json(true));
  }

  static Json flags(const Tensor& kept) {
    Json list = Json::array();
    const Tensor host = kept.to(at::kCPU);
    for (int64_t i = 0; i < host.numel(); ++i) {
      list.push_back(host[i].item<bool>());
    }
    return list;
  }

  /// Cuts the least important triplets of all targets, so that `budget` are left; what the cut does
  /// not hold may grow again until the last phase.
  void cut_to(int64_t budget) {
    const int64_t cut = budget_.initial - budget;
    if (cut <= 0) {
      return;
    }
    std::vector<Tensor> scores;
    for (const Target& target : targets_) {
      scores.push_back(target.scores());
    }
    const Tensor threshold = std::get<0>(at::cat(scores).kthvalue(cut));
    for (size_t i = 0; i < targets_.size(); ++i) {
      targets_[i].kept = scores[i] > threshold;
    }
    apply_masks();
  }

  void apply_masks() {
    for (Target& target : targets_) {
      if (target.kept.defined()) {
        target.hook->E().masked_fill_(target.kept.logical_not().unsqueeze(1), 0.0);
      }
    }
  }

  Json json_;
  RankBudget budget_;
  std::vector<Target> targets_;
};

}  // namespace

std::unique_ptr<Adapter> attach_adalora(CausalLM& model, const Json& config, uint64_t seed) {
  return std::make_unique<AdaLoraAdapter>(model, config, seed);
}

}  // namespace peft
