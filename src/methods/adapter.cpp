#include "peft/methods/adapter.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <map>
#include <set>

#include "peft/kernels/dropout.h"
#include "peft/methods/host_parts.h"

namespace peft {
namespace {

/// The part of a parameter's name before its last dot.
std::string module_path(const std::string& name) {
  return name.substr(0, name.rfind('.'));
}

const Linear* find_linear(const CausalLM& model, const std::string& path) {
  for (const NamedLinear& linear : model.projections()) {
    if (linear.path == path) {
      return linear.linear;
    }
  }
  return &model.head();
}

/// What PEFT stores of a wrapped head beside the head itself when every bias is.
bool is_leftover(const std::string& name) {
  return name.find(".original_module.") != std::string::npos ||
         name.find(".modules_to_save.") != std::string::npos;
}

}  // namespace

Adapter::Adapter(CausalLM& model) : model_(model), was_tied_(model.is_tied()) {
  for (const Tensor& parameter : model.parameters()) {
    parameter.set_requires_grad(false);
  }
}

Adapter::~Adapter() {
  suspend();
}

void Adapter::hold(Hold part) {
  part.take();
  holds_.push_back(std::move(part));
}

void Adapter::suspend() {
  if (is_active_) {
    for (auto part = holds_.rbegin(); part != holds_.rend(); ++part) {
      part->give_back();
    }
  }
  is_active_ = false;
}

void Adapter::resume() {
  if (!is_active_) {
    for (const Hold& part : holds_) {
      part.take();
    }
  }
  is_active_ = true;
}

void Adapter::borrow(const std::string& name, bool keep_tie) {
  if (has_borrowed(name)) {
    return;
  }
  const bool has_twin = name == "lm_head.weight" || name == embedding_path(model_) + ".weight";
  if (has_twin && !keep_tie && model_.is_tied()) {
    const Tensor shared = model_.head().weight();
    const Tensor own = shared.detach().clone();
    hold({[this, own] { model_.head().tie(own); }, [this, shared] { model_.head().tie(shared); }});
  }
  const auto parameters = model_.named_parameters();
  const Tensor* const parameter = parameters.find(name);
  TORCH_INTERNAL_ASSERT(parameter != nullptr, "the host has no parameter ", name);
  hold_in_float32(*parameter);
  borrowed_.emplace(name, *parameter);
  borrowed_order_.push_back(name);
}

void Adapter::hold_in_float32(const Tensor& parameter) {
  const Tensor original = parameter.detach();
  const auto trained =
      std::make_shared<Tensor>(original.to(at::kFloat, /*non_blocking=*/false, /*copy=*/true));
  hold({[parameter, trained] {
          // The optimizer may move the values; a second holder would keep the old memory.
          Tensor(parameter).set_data(*trained);
          trained->reset();
        },
        [parameter, original, trained] {
          Tensor host = parameter;
          *trained = host.detach();
          host.set_requires_grad(false);
          host.mutable_grad().reset();
          host.set_data(original);
        }});
}

void Adapter::borrow_parts(const Json& endings, const std::string& key) {
  for (const NamedPart& part : parts_ending_with(model_, endings, key)) {
    for (const PluggedHook& hook : hooks_) {
      check<UsageError>(hook.path != part.path && !hook.path.starts_with(part.path + "."),
                        "adapter.{}: {} is also a target; exclude it there", key, hook.path);
    }
    for (const auto& parameter : part.module->named_parameters()) {
      borrow(part.path + "." + parameter.key());
    }
  }
}

void Adapter::train_module(const std::string& path, std::shared_ptr<torch::nn::Module> module) {
  for (PluggedHook& hook : hooks_) {
    if (hook.path == path) {
      hook.module = std::move(module);
      return;
    }
  }
  hooks_.push_back({path, std::move(module)});
}

NamedTensors Adapter::trainable() const {
  NamedTensors all;
  std::set<const void*> seen;  // hooks may share a parameter
  for (const PluggedHook& hook : hooks_) {
    for (const auto& parameter : hook.module->named_parameters()) {
      if (!seen.insert(parameter.value().unsafeGetTensorImpl()).second) {
        continue;
      }
      all.emplace_back(hook.path.empty() ? parameter.key() : hook.path + "." + parameter.key(),
                       parameter.value());
    }
  }
  const NamedTensors host = borrowed();
  all.insert(all.end(), host.begin(), host.end());
  return all;
}

NamedTensors Adapter::borrowed() const {
  NamedTensors all;
  for (const std::string& name : borrowed_order_) {
    all.emplace_back(name, borrowed_.at(name));
  }
  return all;
}

int64_t Adapter::modules() const {
  std::set<std::string> paths;
  for (const PluggedHook& hook : hooks_) {
    paths.insert(hook.path);
  }
  for (const auto& [name, tensor] : borrowed_) {
    paths.insert(module_path(name));
  }
  return static_cast<int64_t>(paths.size());
}

std::string Adapter::exported_name(const std::string& own) const {
  return kPeftPrefix + own;
}

NamedTensors Adapter::exported() const {
  NamedTensors all = trainable();
  for (auto& [name, tensor] : all) {
    name = exported_name(name);
  }
  return all;
}

bool Adapter::merge_changes(const std::string& name) const {
  const std::string path = module_path(name);
  return has_borrowed(name) || linears_.count(path) > 0 || embeddings_.count(path) > 0;
}

Tensor Adapter::merged(const std::string& name, const Tensor& value) const {
  const at::NoGradGuard no_grad;
  if (const auto trained = borrowed_.find(name); trained != borrowed_.end()) {
    return trained->second.detach().to(value.options());
  }
  const std::string path = module_path(name);
  if (const auto hook = embeddings_.find(path); hook != embeddings_.end()) {
    return hook->second->merged_weight(value);
  }
  const auto hook = linears_.find(path);
  if (hook == linears_.end()) {
    return value;
  }
  if (name.ends_with(".bias")) {
    return hook->second->merged_bias(value);
  }
  const bool transposed = find_linear(model_, path)->layout() == WeightLayout::kInOut;
  const Tensor result = hook->second->merged_weight(transposed ? value.t() : value);
  return transposed ? result.t() : result;
}

bool Adapter::merge_unties() const {
  return was_tied_ && (!model_.is_tied() || linears_.count("lm_head") > 0 || !embeddings_.empty());
}

Json Adapter::file_config(const std::string& base) const {
  Json json = config();
  json.erase("path");  // a run's own key
  json["base_model_name_or_path"] = base;
  json["inference_mode"] = true;
  return json;
}

void Adapter::merge() {
  const std::string obstacle = merge_obstacle();
  check<UsageError>(obstacle.empty(), "{}", obstacle);
  const at::NoGradGuard no_grad;
  NamedTensors results;
  const bool unties = merge_unties();
  for (const auto& parameter : model_.named_parameters()) {
    if (merge_changes(parameter.key())) {
      results.emplace_back(parameter.key(),
                           merged(parameter.key(), parameter.value().to(at::kFloat)).clone());
    }
  }
  suspend();
  holds_.clear();
  hooks_.clear();
  if (unties && model_.is_tied()) {
    model_.head().tie(model_.head().weight().clone());
  }
  for (const auto& [name, value] : results) {
    Tensor parameter = model_.named_parameters()[name];
    parameter.copy_(value);
  }
}

void Adapter::import_tensors(const NamedTensors& stored, const std::string& where) {
  NamedTensors tensors = stored;
  std::erase_if(tensors, [](const auto& entry) { return is_leftover(entry.first); });
  std::map<std::string, Tensor> given(tensors.begin(), tensors.end());
  std::vector<std::string> faults;
  const NamedTensors own = importable();
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
