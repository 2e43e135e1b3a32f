// What an adapter does with its host's classification head, whatever its method.
#include <ATen/ATen.h>

#include "peft/config/model_family.h"
#include "peft/methods/adapter.h"

namespace peft {
namespace {

constexpr double kHeadDeviation = 0.02;  // transformers' initializer_range

}  // namespace

void Adapter::train_class_head(uint64_t seed) {
  const at::NoGradGuard no_grad;
  const auto parameters = model_.named_parameters();
  for (const auto& parameter : parameters) {
    if (is_class_head(parameter.key())) {
      borrow(parameter.key());
    }
  }
  for (const std::string& name : model_.new_parameters) {
    if (name.ends_with(".weight")) {
      Tensor weight = parameters[name];
      weight.copy_(at::empty(weight.sizes(), at::kFloat)
                       .normal_(0.0, kHeadDeviation, tensor_generator(seed, name)));
    }
  }
}

std::vector<std::pair<std::string, Json>> Adapter::other_files() const {
  const std::vector<std::string>& labels = model_.shape().labels;
  if (labels.empty()) {
    return {};
  }
  Json names = Json::object();
  for (size_t i = 0; i < labels.size(); ++i) {
    names[std::to_string(i)] = labels[i];
  }
  return {{kLabelsFile, {{"id2label", names}}}};
}

}  // namespace peft
