#include "peft/evaluation/evaluator.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include "peft/util/error.h"

namespace peft {
namespace {

/// Indices by length, longest first: the peak of memory comes at once, and batches waste no time on
/// one long row among short ones.
std::vector<size_t> longest_first(std::span<const Example> examples) {
  std::vector<size_t> order(examples.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return examples[a].ids.size() > examples[b].ids.size();
  });
  return order;
}

}  // namespace

double Evaluation::perplexity() const {
  return std::exp(loss());
}

Evaluation evaluate(const CausalLM& model, std::span<const Example> examples, int64_t batch_tokens,
                    at::Device device, const std::function<void(int64_t)>& progress) {
  const at::NoGradGuard no_grad;
  const auto start = std::chrono::steady_clock::now();
  const std::vector<size_t> order = longest_first(examples);
  Evaluation result;
  for (size_t next = 0; next < order.size();) {
    std::vector<const Example*> rows;
    int64_t tokens = 0;
    while (next < order.size()) {
      const Example& example = examples[order[next]];
      const int64_t length = static_cast<int64_t>(example.ids.size());
      if (!rows.empty() && tokens + length > batch_tokens) {
        break;
      }
      rows.push_back(&example);
      tokens += length;
      ++next;
    }
    const HeadLoss loss = model.loss(make_batch(rows).to(device), /*count_correct=*/true);
    if (loss.tokens > 0) {
      result.loss_sum += loss.sum.to(at::kDouble).item<double>();
      result.scored_tokens += loss.tokens;
      result.correct_tokens += loss.correct.item<int64_t>();
    }
    result.tokens += tokens;
    result.rows += static_cast<int64_t>(rows.size());
    if (progress) {
      progress(result.rows);
    }
  }
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  check<DataError>(result.scored_tokens > 0, "nothing to evaluate: no token is scored");
  return result;
}

}  // namespace peft
