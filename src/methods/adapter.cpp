#include "peft/methods/adapter.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <map>

#include "peft/kernels/dropout.h"

namespace peft {
namespace {

constexpr const char* kPeftPrefix = "base_model.model.";

}  // namespace

Adapter::Adapter(CausalLM& model) : model_(model) {
  for (const Tensor& parameter : model.parameters()) {
    parameter.set_requires_grad(false);
  }
}

Adapter::~Adapter() {
  for (const auto& unplug : unplug_) {
    unplug();
  }
}

NamedTensors Adapter::trainable() const {
  NamedTensors all;
  for (const PluggedHook& hook : hooks_) {
    for (const auto& parameter : hook.module->named_parameters()) {
      all.emplace_back(hook.path + "." + parameter.key(), parameter.value());
    }
  }
  return all;
}

NamedTensors Adapter::exported() const {
  NamedTensors all = trainable();
  for (auto& [name, tensor] : all) {
    name = kPeftPrefix + name;
  }
  return all;
}

void Adapter::import_tensors(const NamedTensors& tensors, const std::string& where) {
  std::map<std::string, Tensor> given(tensors.begin(), tensors.end());
  std::vector<std::string> faults;
  const NamedTensors own = exported();
  for (const auto& [name, tensor] : own) {
    const auto found = given.find(name);
    if (found == given.end()) {
      faults.push_back(fmt::format("{}: not in the file", name));
    } else if (found->second.sizes() != tensor.sizes()) {
      faults.push_back(fmt::format("{}: expected ({}), found ({})", name,
                                   fmt::join(tensor.sizes(), ", "),
                                   fmt::join(found->second.sizes(), ", ")));
    }
    if (found != given.end()) {
      given.erase(found);
    }
  }
  for (const auto& [name, tensor] : tensors) {
    if (given.count(name) > 0) {
      faults.push_back(fmt::format("{}: this adapter has no such tensor", name));
    }
  }
  const size_t shown = std::min<size_t>(faults.size(), 20);
  check<ModelError>(
      faults.empty(), "{}: {} tensors do not fit this model\n  {}{}", where, faults.size(),
      fmt::join(faults.begin(), faults.begin() + shown, "\n  "),
      shown < faults.size() ? fmt::format("\n  ... and {} more", faults.size() - shown) : "");
  const std::map<std::string, Tensor> values(tensors.begin(), tensors.end());
  const at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : own) {
    Tensor target = tensor;
    target.copy_(values.at(name));
  }
}

void Adapter::train(bool on) {
  for (const PluggedHook& hook : hooks_) {
    hook.module->train(on);
  }
}

at::Generator tensor_generator(uint64_t seed, const std::string& name) {
  // FNV-1a of the name, then mixed with the seed.
  uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : name) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  }
  return at::make_generator<at::CPUGeneratorImpl>(
      static_cast<uint64_t>(mix_keys(static_cast<int64_t>(seed), static_cast<int64_t>(hash))));
}

}  // namespace peft
