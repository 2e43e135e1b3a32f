#include "peft/methods/lora_hooks.h"

#include <ATen/ATen.h>

#include <cmath>

#include "peft/kernels/column_gain.h"
#include "peft/kernels/dropout.h"
#include "peft/kernels/lora_linear.h"

namespace peft {
namespace {

at::TensorOptions float32_on(at::Device device) {
  return at::TensorOptions().dtype(at::kFloat).device(device);
}

/// Uniform in +-1/sqrt(columns): Kaiming's rule with a = sqrt 5.
void fill_uniform(const Tensor& weight, const at::Generator& generator) {
  const double bound = 1.0 / std::sqrt(static_cast<double>(weight.size(1)));
  weight.copy_(at::empty(weight.sizes(), at::kFloat).uniform_(-bound, bound, generator));
}

}  // namespace

Matrix::Matrix(int64_t rows, int64_t columns, at::Device device, bool with_bias)
    : weight(register_parameter("weight", at::zeros({rows, columns}, float32_on(device)))) {
  if (with_bias) {
    bias = register_parameter("bias", at::zeros({rows}, float32_on(device)));
  }
}

LoraLinear::LoraLinear(const Linear& host, const LoraShape& shape,
                       std::shared_ptr<DropoutKeys> keys)
    : shape_(shape), keys_(std::move(keys)) {
  const at::Device device = host.weight().device();
  a_ = register_module("lora_A", std::make_shared<Matrix>(shape.rank, host.in_features(), device));
  b_ = register_module(
      "lora_B", std::make_shared<Matrix>(host.out_features(), shape.rank, device, shape.bias));
  if (shape.dora) {
    magnitude_ = register_parameter("lora_magnitude_vector",
                                    at::ones({host.out_features()}, float32_on(device)));
  }
}

Tensor LoraLinear::forward(const Linear& host, const Tensor& x) {
  const Tensor d = dropped(x);
  if (!shape_.dora) {
    const Tensor y = low_rank(host, x, host.bias(), d);
    return b_->bias.defined() ? y + (b_->bias * shape_.scale).to(y.scalar_type()) : y;
  }
  const Tensor gain = (magnitude_ / kept_row_lengths(host)).to(x.scalar_type());
  Tensor y = column_gain(low_rank(host, d.defined() ? d : x, /*bias=*/{}, {}), gain);
  if (d.defined()) {
    // PEFT scales what dropout left of the input, and takes the host's own part without dropout.
    return y + host.base(x) - frozen_linear(d, host.weight(), {}, host.layout());
  }
  return host.bias().defined() ? y + host.bias().to(y.scalar_type()) : y;
}

Tensor LoraLinear::dropped(const Tensor& x) const {
  return is_training() && shape_.dropout > 0.0
             ? keyed_dropout(x, keys_->rows, shape_.dropout_key, shape_.dropout)
             : Tensor();
}

Tensor LoraLinear::low_rank(const Linear& host, const Tensor& x, const Tensor& bias,
                            const Tensor& dropped) const {
  if (!start_a_.defined()) {
    return lora_linear(x, host.weight(), bias, a_->weight, b_->weight, shape_.scale, host.layout(),
                       dropped);
  }
  if (!dropped.defined()) {
    return lora_linear(x, host.weight(), bias, at::cat({a_->weight, start_a_}),
                       at::cat({b_->weight, -start_b_}, 1), shape_.scale, host.layout());
  }
  const Tensor residual =
      lora_linear(x, host.weight(), bias, start_a_, start_b_, -shape_.scale, host.layout());
  const Tensor branch = at::linear(at::linear(dropped.to(at::kFloat), a_->weight), b_->weight);
  return residual + (branch * shape_.scale).to(residual.scalar_type());
}

Tensor LoraLinear::update() const {
  Tensor product = at::mm(b_->weight, a_->weight);
  if (start_a_.defined()) {
    product = product.sub_(at::mm(start_b_, start_a_));
  }
  return product.mul_(shape_.scale);
}

Tensor LoraLinear::row_lengths(const Tensor& weight) const {
  return at::linalg_vector_norm(weight + update(), 2, /*dim=*/1);
}

Tensor LoraLinear::kept_row_lengths(const Linear& host) {
  const at::NoGradGuard no_grad;
  if (is_training() && length_.defined()) {
    return length_;
  }
  // |w + s b A|^2 by row, without the sum itself: |w|^2 + 2 s (W A^T).b + s^2 (b A A^T).b
  const Tensor w = host.out_in().to(at::kFloat);
  if (start_a_.defined()) {
    return length_ = row_lengths(w);
  }
  const double s = shape_.scale;
  const Tensor cross = (at::mm(w, a_->weight.t()) * b_->weight).sum(1);
  const Tensor own = (at::mm(b_->weight, at::mm(a_->weight, a_->weight.t())) * b_->weight).sum(1);
  length_ = (host_lengths_ + cross * (2.0 * s) + own * (s * s)).clamp_min_(0.0).sqrt_();
  return length_;
}

Tensor LoraLinear::merged_weight(const Tensor& weight) const {
  if (!start_a_.defined() && !shape_.dora) {
    return at::addmm(weight, b_->weight, a_->weight, /*beta=*/1, /*alpha=*/shape_.scale);
  }
  const Tensor sum = weight + update();
  return shape_.dora ? sum * (magnitude_ / row_lengths(weight)).unsqueeze(1) : sum;
}

Tensor LoraLinear::merged_bias(const Tensor& bias) const {
  return b_->bias.defined() ? bias + b_->bias * shape_.scale : bias;
}

void LoraLinear::start(const Json& init, uint64_t seed, const std::string& path) {
  const at::NoGradGuard no_grad;
  const at::Generator for_a = tensor_generator(seed, path + ".lora_A");
  if (init.is_string()) {
    const double deviation = 1.0 / static_cast<double>(shape_.rank);
    a_->weight.copy_(at::empty(a_->weight.sizes(), at::kFloat).normal_(0.0, deviation, for_a));
  } else {
    fill_uniform(a_->weight, for_a);
  }
  if (init == false) {
    fill_uniform(b_->weight, tensor_generator(seed, path + ".lora_B"));
  }
}

void LoraLinear::start_from(const std::string& init, const Tensor& weight) {
  const at::NoGradGuard no_grad;
  const int64_t r = shape_.rank;
  if (init == "olora") {
    // W = Q R; B = Q[:, :r], A = R[:r, :]. Buyukakyuz 2024, section 3.
    const auto [q, rest] = at::linalg_qr(weight);
    start_b_ = q.narrow(1, 0, r).contiguous();
    start_a_ = rest.narrow(0, 0, r).contiguous();
  } else {
    // W = U S V^T; the r largest, shared between both factors. Meng et al. 2024, equations 2 and 3.
    const auto [u, s, vh] = at::linalg_svd(weight, /*full_matrices=*/false);
    const Tensor root = (s.narrow(0, 0, r) / shape_.scale).sqrt();
    start_b_ = u.narrow(1, 0, r) * root;
    start_a_ = root.unsqueeze(1) * vh.narrow(0, 0, r);
  }
  a_->weight.copy_(start_a_);
  b_->weight.copy_(start_b_);
}

void LoraLinear::set_row_lengths(const Tensor& weight, bool set_magnitude) {
  const at::NoGradGuard no_grad;
  host_lengths_ = weight.square().sum(1);
  if (set_magnitude) {
    magnitude_.copy_(row_lengths(weight));
  }
}

LoraEmbedding::LoraEmbedding(const Embedding& host, int64_t rank, double scale) : scale_(scale) {
  const at::TensorOptions options = float32_on(host.weight().device());
  a_ = register_parameter("lora_embedding_A", at::zeros({rank, host.weight().size(0)}, options));
  b_ = register_parameter("lora_embedding_B", at::zeros({host.weight().size(1), rank}, options));
}

Tensor LoraEmbedding::forward(const Embedding& host, const Tensor& ids) {
  const Tensor base = host.base(ids);
  const Tensor rows = at::embedding(a_.t(), ids);
  return base + (at::linear(rows, b_) * scale_).to(base.scalar_type());
}

Tensor LoraEmbedding::merged_weight(const Tensor& weight) const {
  return weight + at::mm(b_, a_).t() * scale_;
}

void LoraEmbedding::start(uint64_t seed, const std::string& path) {
  const at::NoGradGuard no_grad;
  b_.copy_(at::empty(b_.sizes(), at::kFloat)
               .normal_(0.0, 1.0, tensor_generator(seed, path + ".lora_embedding_B")));
}

}  // namespace peft
