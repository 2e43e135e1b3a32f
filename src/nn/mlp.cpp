#include "peft/nn/mlp.h"

namespace peft {

GatedMlp::GatedMlp(const MlpShape& s, Activation f, const at::TensorOptions& options)
    : f_(f),
      gate_(register_module("gate_proj", std::make_shared<Linear>(Place::kMlpGate, s.hidden,
                                                                  s.width, s.with_bias, options))),
      up_(register_module("up_proj", std::make_shared<Linear>(Place::kMlpUp, s.hidden, s.width,
                                                              s.with_bias, options))),
      down_(register_module(
          "down_proj",
          std::make_shared<Linear>(Place::kMlpDown, s.width, s.hidden, s.with_bias, options))) {}

Tensor GatedMlp::forward(const Tensor& x) const {
  return down_->forward(gated(f_, gate_->forward(x), up_->forward(x)));
}

PlainMlp::PlainMlp(const char* up, const char* down, const MlpShape& s, Activation f,
                   const at::TensorOptions& options, WeightLayout layout)
    : f_(f),
      up_(register_module(up, std::make_shared<Linear>(Place::kMlpUp, s.hidden, s.width,
                                                       s.with_bias, options, layout))),
      down_(register_module(down, std::make_shared<Linear>(Place::kMlpDown, s.width, s.hidden,
                                                           s.with_bias, options, layout))) {}

Tensor PlainMlp::forward(const Tensor& x) const {
  return down_->forward(f_(up_->forward(x)));
}

}  // namespace peft
