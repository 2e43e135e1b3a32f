#include "peft/evaluation/evaluator.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include "peft/util/error.h"
#include "peft/util/log.h"
#include "peft/util/signals.h"

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

/// Rows from place `next` of `order` on that `batch_tokens` hold, one at least.
std::vector<const Example*> take_batch(std::span<const Example> examples,
                                       const std::vector<size_t>& order, size_t next,
                                       int64_t batch_tokens) {
  std::vector<const Example*> rows;
  int64_t tokens = 0;
  for (; next < order.size(); ++next) {
    const Example& example = examples[order[next]];
    tokens += static_cast<int64_t>(example.ids.size());
    if (!rows.empty() && tokens > batch_tokens) {
      break;
    }
    rows.push_back(&example);
  }
  return rows;
}

int64_t tokens_of(const std::vector<const Example*>& rows) {
  int64_t tokens = 0;
  for (const Example* row : rows) {
    tokens += static_cast<int64_t>(row->ids.size());
  }
  return tokens;
}

/// A batch that memory does not hold is judged again in smaller ones; one row cannot be cut.
int64_t smaller_batch(const std::vector<const Example*>& rows, const std::string& reason) {
  check<MemoryError>(rows.size() > 1,
                     "evaluation: one row alone is too much: {}; lower data.max_length",
                     reason.substr(0, reason.find('\n')));
  const int64_t half = tokens_of(rows) / 2;
  log_warning("evaluation: out of memory; batches have at most {} tokens from here on", half);
  return half;
}

}  // namespace

double Evaluation::perplexity() const {
  return std::exp(loss());
}

Evaluation evaluate(const CausalLM& model, std::span<const Example> examples, int64_t batch_tokens,
                    at::Device device) {
  const at::NoGradGuard no_grad;
  const auto start = std::chrono::steady_clock::now();
  const std::vector<size_t> order = longest_first(examples);
  Evaluation result;
  result.batch_tokens = batch_tokens;
  for (size_t next = 0; next < order.size();) {
    check_not_stopped();
    const std::vector<const Example*> rows = take_batch(examples, order, next, result.batch_tokens);
    HeadLoss loss;
    try {
      Batch batch = make_batch(rows).to(device);
      batch.weights = Tensor();  // of the training loss alone
      loss = model.loss(batch, /*count_correct=*/true);
    } catch (const c10::OutOfMemoryError& error) {
      result.batch_tokens = smaller_batch(rows, error.what_without_backtrace());
      continue;
    } catch (const MemoryError& error) {  // the host's allocator
      result.batch_tokens = smaller_batch(rows, error.what());
      continue;
    }
    next += rows.size();
    if (loss.tokens > 0) {
      result.loss_sum += loss.sum.to(at::kDouble).item<double>();
      result.scored_tokens += loss.tokens;
      result.correct_tokens += loss.correct.item<int64_t>();
    }
    result.tokens += tokens_of(rows);
    result.rows += static_cast<int64_t>(rows.size());
  }
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  check<DataError>(result.scored_tokens > 0, "nothing to evaluate: no token is scored");
  return result;
}

}  // namespace peft
