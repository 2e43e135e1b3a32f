#include "peft/methods/token_rows.h"

#include <ATen/ATen.h>

namespace peft {
namespace {

// PEFT's name of the parameter, behind the embedding's module.
constexpr const char* kHolder = "token_adapter";
constexpr const char* kTrainedRows = "trainable_tokens_delta";

Tensor index_of(const std::vector<int64_t>& ids, at::Device device) {
  return at::tensor(ids, at::kLong).to(device);
}

}  // namespace

TokenRows::TokenRows(const Embedding& host, const std::vector<int64_t>& ids)
    : ids_(index_of(ids, host.weight().device())) {
  const Tensor weight = host.weight().detach();
  slots_ = at::full({weight.size(0)}, -1, ids_.options());
  slots_.index_copy_(0, ids_, at::arange(ids_.size(0), ids_.options()));
  const auto holder = register_module(kHolder, std::make_shared<torch::nn::Module>());
  rows_ = holder->register_parameter(kTrainedRows, weight.index_select(0, ids_).to(at::kFloat));
}

Tensor TokenRows::forward(const Embedding& host, const Tensor& ids) {
  const Tensor base = host.base(ids);
  const Tensor slots = slots_.index_select(0, ids);
  const Tensor trained = at::embedding(rows_, slots.clamp_min(0)).to(base.scalar_type());
  return at::where((slots >= 0).unsqueeze(1), trained, base);
}

Tensor TokenRows::merged_weight(const Tensor& weight) const {
  return weight.index_copy(0, ids_, rows_);
}

TokenRowsHead::TokenRowsHead(std::shared_ptr<TokenRows> rows, const std::vector<int64_t>& ids)
    : rows_(rows->named_parameters().begin()->value()) {
  ids_ = index_of(ids, rows_.device());
  register_module("embedding", std::move(rows));
}

Tensor TokenRowsHead::forward(const Linear& host, const Tensor& x) {
  const Tensor base = host.base(x);
  return base.index_copy(1, ids_, at::linear(x, rows_.to(x.scalar_type())));
}

Tensor TokenRowsHead::merged_weight(const Tensor& weight) const {
  return weight.index_copy(0, ids_, rows_);
}

}  // namespace peft
