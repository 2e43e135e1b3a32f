#include "peft/training/optimizer.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "peft/training/tensor_file.h"

namespace peft {

Optimizer::Optimizer(const NamedTensors& tensors, const OptimizerOptions& options)
    : options_(options) {
  NamedTensors order = tensors;
  const auto is_decayed = [](const auto& entry) { return entry.second.dim() >= 2; };
  const auto middle = std::stable_partition(order.begin(), order.end(), is_decayed);
  for (auto entry = order.begin(); entry != order.end(); ++entry) {
    total_ += entry->second.numel();
    decayed_ += entry < middle ? entry->second.numel() : 0;
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
  return at::linalg_vector_norm(gradients_, 2, std::nullopt, false, at::kDouble).item<double>();
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
  step_range(0, decayed_, learning_rate, options_.weight_decay);
  step_range(decayed_, total_ - decayed_, learning_rate, /*weight_decay=*/0.0);
}

void Optimizer::step_range(int64_t begin, int64_t length, double learning_rate,
                           double weight_decay) {
  if (length == 0) {
    return;
  }
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
