#include "peft/methods/virtual_tokens.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>

#include "peft/config/model_family.h"
#include "peft/util/log.h"

namespace peft {
namespace {

constexpr const char* kRows = "prompt_embeddings";

}  // namespace

PromptTable::PromptTable(const Tensor& start)
    : rows_(register_module("embedding", std::make_shared<torch::nn::Module>())
                ->register_parameter("weight", start)) {}

void VirtualTokenAdapter::set_encoder(std::shared_ptr<PromptEncoder> encoder, int64_t token_dim,
                                      int64_t heads) {
  for (const Json& name : json_.value("modules_to_save", Json::array())) {
    const auto& known = class_head_names();
    check<UsageError>(
        model().shape().classes() > 0 &&
            std::find(known.begin(), known.end(), name.get<std::string>()) != known.end(),
        "adapter.modules_to_save: {}: beside virtual tokens only a classification "
        "head trains",
        json_excerpt(name));
  }
  encoder_ = std::move(encoder);
  train_module("prompt_encoder", encoder_);
  json_["num_layers"] = model().shape().layers;
  json_["token_dim"] = token_dim;
  json_["num_attention_heads"] = heads;
  json_["num_transformer_submodules"] = 1;
}

Tensor VirtualTokenAdapter::rows() {
  if (!in_batch_) {
    return encoder_->prompt();
  }
  if (!leaf_.defined()) {
    computed_ = encoder_->prompt();
    leaf_ = computed_.detach().requires_grad_(computed_.requires_grad());
  }
  return leaf_;
}

void VirtualTokenAdapter::begin_batch(const Tensor& row_keys) {
  Adapter::begin_batch(row_keys);
  in_batch_ = true;
  leaf_ = computed_ = Tensor();
}

void VirtualTokenAdapter::end_batch() {
  if (leaf_.defined() && leaf_.grad().defined()) {
    torch::autograd::backward({computed_}, {leaf_.grad()});
  }
  in_batch_ = false;
  leaf_ = computed_ = Tensor();
}

void VirtualTokenAdapter::train(bool on) {
  Adapter::train(on);
  in_batch_ = false;
}

NamedTensors VirtualTokenAdapter::exported() const {
  const at::NoGradGuard no_grad;
  NamedTensors all = {{kRows, encoder_->prompt().clone()}};
  const NamedTensors heads = importable();
  all.insert(all.end(), heads.begin(), heads.end());
  return all;
}

/// PEFT wraps no host for these methods, which the names of its parts show.
NamedTensors VirtualTokenAdapter::importable() const {
  NamedTensors heads = borrowed();
  for (auto& [name, tensor] : heads) {
    name = "base_model." + name;
  }
  return heads;
}

void VirtualTokenAdapter::import_tensors(const NamedTensors& tensors, const std::string& where) {
  NamedTensors heads = tensors;
  const auto rows = std::find_if(heads.begin(), heads.end(),
                                 [](const auto& entry) { return entry.first == kRows; });
  check<ModelError>(rows != heads.end(), "{}: {}: not in the file", where, kRows);
  take_rows(rows->second, where);
  heads.erase(rows);
  Adapter::import_tensors(heads, where);
}

void VirtualTokenAdapter::take_rows(const Tensor& rows, const std::string& where) {
  const int64_t width = encoder_->prompt().size(1);
  check<ModelError>(rows.dim() == 2 && rows.size(1) == width && rows.size(0) >= virtual_tokens(),
                    "{}: {}: expected ({}, {}), found ({})", where, kRows, virtual_tokens(), width,
                    fmt::join(rows.sizes(), ", "));
  if (std::dynamic_pointer_cast<PromptTable>(encoder_) == nullptr) {
    log_info("{}: the encoder is not stored; the virtual tokens themselves train from here on",
             where);
  }
  const Tensor start = rows.narrow(0, 0, virtual_tokens()).to(at::kFloat).clone();
  encoder_ = std::make_shared<PromptTable>(start.to(model().head().weight().device()));
  train_module("prompt_encoder", encoder_);
}

std::string VirtualTokenAdapter::merge_obstacle() const {
  return fmt::format(
      "{} adds activations, not weights, and cannot be merged; use it unmerged with "
      "`peft eval --adapter`",
      json_.at("peft_type").get<std::string>());
}

}  // namespace peft
