#include "peft/training/optimizer.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <tuple>

#include "peft/training/tensor_file.h"

namespace peft {
namespace {

// LibTorch makes a float64 copy of what it takes the norm of; a piece's stays in the cache.
constexpr int64_t kNormPiece = int64_t{1} << 16;

}  // namespace

Optimizer::Optimizer(const NamedTensors& tensors, const OptimizerOptions& options)
    : options_(options) {
  NamedTensors order = tensors;
  std::stable_sort(order.begin(), order.end(), [&](const auto& a, const auto& b) {
    const Group left = group_of(a.first, a.second);
    const Group right = group_of(b.first, b.second);
    return std::tuple(!left.decays, left.rate) < std::tuple(!right.decays, right.rate);
  });
  for (const auto& [name, tensor] : order) {
    Group group = group_of(name, tensor);
    group.begin = total_;
    group.length = tensor.numel();
    if (!groups_.empty() && groups_.back().decays == group.decays &&
        groups_.back().rate == group.rate) {
      groups_.back().length += group.length;
    } else {
      groups_.push_back(group);
    }
    total_ += group.length;
  }
  TORCH_INTERNAL_ASSERT(!order.empty(), "an adapter trains something");
  const at::TensorOptions like =
      at::TensorOptions().dtype(at::kFloat).device(order.front().second.device());
  values_ = at::empty({total_}, like);
  gradients_ = at::zeros({total_}, like);
  if (options_.type == "adamw") {
    first_ = at::zeros({total_}, like);
    second_ = at::zeros({total_}, like);
  }
  const at::NoGradGuard no_grad;
  int64_t begin = 0;
  for (auto& [name, tensor] : order) {
    TORCH_INTERNAL_ASSERT(tensor.scalar_type() == at::kFloat, name, " is not float32");
    Tensor view = values_.narrow(0, begin, tensor.numel()).view(tensor.sizes());
    view.copy_(tensor);
    tensor.set_data(view);
    tensor.set_requires_grad(true);
    tensor.mutable_grad() = gradients_.narrow(0, begin, tensor.numel()).view(tensor.sizes());
    spans_.push_back({name, begin, tensor.sizes().vec()});
    begin += tensor.numel();
  }
}

NamedTensors Optimizer::state() const {
  NamedTensors state = {{"steps", at::full({}, steps_, at::kLong)}};
  for (const Span& span : spans_) {
    const int64_t count = c10::multiply_integers(span.shape);
    for (const auto& [suffix, buffer] :
         {std::pair(".exp_avg", &first_), std::pair(".exp_avg_sq", &second_)}) {
      if (buffer->defined()) {
        state.emplace_back(span.name + suffix,
                           buffer->narrow(0, span.begin, count).view(span.shape));
      }
    }
  }
  return state;
}

void Optimizer::restore(const NamedTensors& state, const std::string& where) {
  const NamedTensors own = this->state();
  copy_tensors(state, own, where);
  steps_ = own.front().second.item<int64_t>();
}

void Optimizer::scale_gradients(double factor) {
  gradients_.mul_(factor);
}

double Optimizer::gradient_norm() const {
  double sum = 0.0;
  for (int64_t begin = 0; begin < total_; begin += kNormPiece) {
    const Tensor piece = gradients_.narrow(0, begin, std::min(kNormPiece, total_ - begin));
    const double norm =
        at::linalg_vector_norm(piece, 2, std::nullopt, false, at::kDouble).item<double>();
    sum += norm * norm;
  }
  return std::sqrt(sum);
}

void Optimizer::clip_gradients(double norm, double limit) {
  const double factor = limit / (norm + 1e-6);
  if (factor < 1.0) {
    gradients_.mul_(factor);
  }
}

void Optimizer::step(double learning_rate) {
  const at::NoGradGuard no_grad;
  ++steps_;
  for (const Group& group : groups_) {
    step_group(group, learning_rate * group.rate);
  }
}

Optimizer::Group Optimizer::group_of(const std::string& name, const Tensor& tensor) const {
  Group group;
  group.decays = tensor.dim() >= 2;
  if (options_.loraplus_ratio > 0.0) {
    const auto has = [&](const char* part) { return name.find(part) != std::string::npos; };
    if (has("lora_embedding_")) {
      group.rate = options_.loraplus_embedding_share;
    } else if (has("lora_B") || tensor.dim() == 1) {
      group.rate = options_.loraplus_ratio;
    }
  }
  return group;
}

void Optimizer::step_group(const Group& group, double learning_rate) {
  const int64_t begin = group.begin;
  const int64_t length = group.length;
  const double weight_decay = group.decays ? options_.weight_decay : 0.0;
  Tensor values = values_.narrow(0, begin, length);
  const Tensor gradients = gradients_.narrow(0, begin, length);
  if (options_.type == "sgd") {
    if (weight_decay != 0.0) {
      values.mul_(1.0 - learning_rate * weight_decay);
    }
    values.sub_(gradients, learning_rate);
    return;
  }
  const Tensor steps = at::full({}, static_cast<double>(steps_), values.options());
  at::_fused_adamw_(values, gradients, first_.narrow(0, begin, length),
                    second_.narrow(0, begin, length), at::TensorList{}, steps, learning_rate,
                    options_.beta1, options_.beta2, weight_decay, options_.epsilon,
                    /*amsgrad=*/false, /*maximize=*/false);
}

void Optimizer::zero_gradients() {
  gradients_.zero_();
}

}  // namespace peft
