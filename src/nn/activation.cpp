#include "peft/nn/activation.h"

#include <ATen/ATen.h>

#include <map>

#include "peft/kernels/swiglu.h"
#include "peft/util/error.h"
#include "peft/util/json.h"

namespace peft {
namespace {

Tensor gelu(const Tensor& x) {
  return at::gelu(x);
}
Tensor gelu_tanh(const Tensor& x) {
  return at::gelu(x, "tanh");
}
Tensor quick_gelu(const Tensor& x) {
  return x * at::sigmoid(x * 1.702);
}
Tensor silu(const Tensor& x) {
  return at::silu(x);
}
Tensor relu(const Tensor& x) {
  return at::relu(x);
}
Tensor tanh(const Tensor& x) {
  return at::tanh(x);
}

}  // namespace

Activation activation(const std::string& name, const std::string& where) {
  static const std::map<std::string, Activation> table = {
      {"gelu", gelu},           {"gelu_new", gelu_tanh}, {"gelu_pytorch_tanh", gelu_tanh},
      {"gelu_fast", gelu_tanh}, {"silu", silu},          {"swish", silu},
      {"relu", relu},           {"tanh", tanh},          {"quick_gelu", quick_gelu}};
  const auto found = table.find(name);
  std::vector<std::string> names;
  for (const auto& [key, function] : table) {
    names.push_back(key);
  }
  check<ModelError>(found != table.end(), "{}: unknown activation \"{}\"{}", where, name,
                    did_you_mean(name, names));
  return found->second;
}

Tensor gated(Activation f, const Tensor& gate, const Tensor& up) {
  return f == silu ? swiglu(gate, up) : f(gate) * up;
}

}  // namespace peft
