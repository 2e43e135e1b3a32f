#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "peft/nn/embedding.h"
#include "peft/nn/linear.h"

namespace peft {

/// Rows of the token embedding that train: whole rows, not differences, as PEFT's
/// trainable_token_indices. A head that shares the embedding's memory uses them too.
class TokenRows final : public EmbeddingHook {
 public:
  TokenRows(const Embedding& host, const std::vector<int64_t>& ids);
  Tensor forward(const Embedding& host, const Tensor& ids) override;
  Tensor merged_weight(const Tensor& weight) const override;

 private:
  Tensor ids_;    // (n) int64
  Tensor slots_;  // (V) int64: place of a token among the rows, or -1
  Tensor rows_;   // (n, D) float32, trains
};

/// The same rows in a head: their logits come from them instead of the host's.
class TokenRowsHead final : public LinearHook {
 public:
  TokenRowsHead(std::shared_ptr<TokenRows> rows, const std::vector<int64_t>& ids);
  Tensor forward(const Linear& host, const Tensor& x) override;
  Tensor merged_weight(const Tensor& weight) const override;

 private:
  Tensor ids_;   // (n) int64
  Tensor rows_;  // the embedding's
};

}  // namespace peft
