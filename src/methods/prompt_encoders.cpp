#include "peft/methods/prompt_encoders.h"

#include <ATen/ATen.h>

#include <cmath>

namespace peft {
namespace {

/// Registers start values: torch's own for Linear and LSTM, uniform in +-1/sqrt(fan), and standard
/// normal for embeddings.
class Start {
 public:
  Start(at::Device device, uint64_t seed) : device_(device), seed_(seed) {}

  Tensor uniform(at::IntArrayRef shape, int64_t fan, const std::string& name) const {
    const double bound = 1.0 / std::sqrt(static_cast<double>(fan));
    return at::empty(shape, at::kFloat)
        .uniform_(-bound, bound, tensor_generator(seed_, name))
        .to(device_);
  }
  Tensor normal(at::IntArrayRef shape, const std::string& name) const {
    return at::empty(shape, at::kFloat)
        .normal_(0.0, 1.0, tensor_generator(seed_, name))
        .to(device_);
  }

 private:
  at::Device device_;
  uint64_t seed_;
};

/// A chain of linear layers under PEFT's names ("mlp_head.0.weight"), with an activation between.
class Chain {
 public:
  Chain(torch::nn::Module& owner, const std::string& name, std::vector<int64_t> widths,
        const Start& start) {
    const auto holder = owner.register_module(name, std::make_shared<torch::nn::Module>());
    for (size_t i = 0; i + 1 < widths.size(); ++i) {
      const std::string place = std::to_string(2 * i);  // activations take the odd places
      const std::string path = name + "." + place;
      const auto layer = holder->register_module(place, std::make_shared<torch::nn::Module>());
      weights_.push_back(layer->register_parameter(
          "weight", start.uniform({widths[i + 1], widths[i]}, widths[i], path + ".weight")));
      biases_.push_back(layer->register_parameter(
          "bias", start.uniform({widths[i + 1]}, widths[i], path + ".bias")));
    }
  }

  Tensor forward(Tensor x, Tensor (*activation)(const Tensor&)) const {
    for (size_t i = 0; i < weights_.size(); ++i) {
      x = at::linear(i == 0 ? x : activation(x), weights_[i], biases_[i]);
    }
    return x;
  }
  const Tensor& last_weight() const { return weights_.back(); }
  const Tensor& last_bias() const { return biases_.back(); }

 private:
  std::vector<Tensor> weights_, biases_;
};

Tensor relu(const Tensor& x) {
  return at::relu(x);
}
Tensor tanh_of(const Tensor& x) {
  return at::tanh(x);
}

/// Linear, ReLU, Linear, ReLU, Linear over the embeddings.
class MlpEncoder final : public PromptEncoder {
 public:
  MlpEncoder(int64_t count, int64_t width, int64_t hidden, const Start& start)
      : embedding_(register_module("embedding", std::make_shared<torch::nn::Module>())
                       ->register_parameter("weight", start.normal({count, width}, "embedding"))),
        head_(*this, "mlp_head", {width, hidden, hidden, width}, start) {}

  Tensor prompt() override { return head_.forward(embedding_, relu); }

 private:
  Tensor embedding_;  // (P, D)
  Chain head_;
};

/// A bidirectional LSTM of `layers` layers, then Linear, ReLU, Linear.
class LstmEncoder final : public PromptEncoder {
 public:
  LstmEncoder(int64_t count, int64_t width, int64_t hidden, int64_t layers, double dropout,
              const Start& start)
      : layers_(layers),
        dropout_(dropout),
        embedding_(register_module("embedding", std::make_shared<torch::nn::Module>())
                       ->register_parameter("weight", start.normal({count, width}, "embedding"))),
        hidden_(hidden) {
    const auto lstm = register_module("lstm_head", std::make_shared<torch::nn::Module>());
    for (int64_t layer = 0; layer < layers; ++layer) {
      for (const char* direction : {"", "_reverse"}) {
        const std::string end = fmt::format("_l{}{}", layer, direction);
        const int64_t in = layer == 0 ? width : 2 * hidden;
        const auto add = [&](const std::string& name, std::vector<int64_t> shape) {
          parameters_.push_back(lstm->register_parameter(
              name + end, start.uniform(shape, hidden, "lstm_head." + name + end)));
        };
        add("weight_ih", {4 * hidden, in});
        add("weight_hh", {4 * hidden, hidden});
        add("bias_ih", {4 * hidden});
        add("bias_hh", {4 * hidden});
      }
    }
    head_.emplace(*this, "mlp_head", std::vector<int64_t>{2 * hidden, 2 * hidden, width}, start);
  }

  Tensor prompt() override {
    const Tensor zero = at::zeros({2 * layers_, 1, hidden_}, embedding_.options());
    const auto [output, h, c] =
        at::lstm(embedding_.unsqueeze(0), {zero, zero}, parameters_, /*has_biases=*/true, layers_,
                 is_training() ? dropout_ : 0.0, is_training(), /*bidirectional=*/true,
                 /*batch_first=*/true);
    return head_->forward(output.squeeze(0), relu);
  }

 private:
  int64_t layers_;
  double dropout_;
  Tensor embedding_;  // (P, D)
  int64_t hidden_;
  std::vector<Tensor> parameters_;
  std::optional<Chain> head_;
};

class PrefixEncoder final : public PromptEncoder {
 public:
  PrefixEncoder(int64_t count, int64_t token_dim, int64_t hidden, int64_t layers, bool zero,
                const Start& start)
      : embedding_(
            register_module("embedding", std::make_shared<torch::nn::Module>())
                ->register_parameter("weight", start.normal({count, token_dim}, "embedding"))),
        transform_(*this, "transform", {token_dim, hidden, 2 * layers * token_dim}, start) {
    if (zero) {
      const at::NoGradGuard no_grad;
      for (Tensor tensor : {transform_.last_weight(), transform_.last_bias()}) {
        tensor.zero_();
      }
    }
  }

  Tensor prompt() override { return transform_.forward(embedding_, tanh_of); }

 private:
  Tensor embedding_;  // (P, T)
  Chain transform_;
};

}  // namespace

std::shared_ptr<PromptEncoder> p_tuning_encoder(const Json& config, int64_t width,
                                                at::Device device, uint64_t seed) {
  const Start start(device, seed);
  const int64_t count = config.at("num_virtual_tokens").get<int64_t>();
  const int64_t hidden = config.at("encoder_hidden_size").get<int64_t>();
  if (config.at("encoder_reparameterization_type") == "MLP") {
    return std::make_shared<MlpEncoder>(count, width, hidden, start);
  }
  return std::make_shared<LstmEncoder>(count, width, hidden,
                                       config.at("encoder_num_layers").get<int64_t>(),
                                       config.at("encoder_dropout").get<double>(), start);
}

std::shared_ptr<PromptEncoder> prefix_encoder(const Json& config, int64_t token_dim, int64_t layers,
                                              at::Device device, uint64_t seed) {
  const int64_t count = config.at("num_virtual_tokens").get<int64_t>();
  const bool zero = config.at("init_weights") == "zero";
  const Start start(device, seed);
  if (config.at("prefix_projection") == true) {
    return std::make_shared<PrefixEncoder>(
        count, token_dim, config.at("encoder_hidden_size").get<int64_t>(), layers, zero, start);
  }
  const std::vector<int64_t> shape = {count, 2 * layers * token_dim};
  return std::make_shared<PromptTable>(
      zero ? at::zeros(shape, at::TensorOptions().dtype(at::kFloat).device(device))
           : start.normal(shape, "prompt_embeddings"));
}

}  // namespace peft
