#include "peft/methods/virtual_tokens.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

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
  return {{kRows, encoder_->prompt().clone()}};
}

void VirtualTokenAdapter::import_tensors(const NamedTensors& tensors, const std::string& where) {
  const int64_t width = encoder_->prompt().size(1);
  for (const auto& [name, tensor] : tensors) {
    check<ModelError>(name == kRows, "{}: {}: this adapter has no such tensor", where, name);
    check<ModelError>(
        tensor.dim() == 2 && tensor.size(1) == width && tensor.size(0) >= virtual_tokens(),
        "{}: {}: expected ({}, {}), found ({})", where, name, virtual_tokens(), width,
        fmt::join(tensor.sizes(), ", "));
    if (std::dynamic_pointer_cast<PromptTable>(encoder_) == nullptr) {
      log_info("{}: the encoder is not stored; the virtual tokens themselves train from here on",
               where);
    }
    const Tensor start = tensor.narrow(0, 0, virtual_tokens()).to(at::kFloat).clone();
    encoder_ = std::make_shared<PromptTable>(start.to(model().head().weight().device()));
    train_module("prompt_encoder", encoder_);
  }
  check<ModelError>(!tensors.empty(), "{}: {}: not in the file", where, kRows);
}

std::string VirtualTokenAdapter::merge_obstacle() const {
  return fmt::format(
      "{} adds activations, not weights, and cannot be merged; use it unmerged with "
      "`peft eval --adapter`",
      json_.at("peft_type").get<std::string>());
}

}  // namespace peft
