#include "peft/kernels/cross_entropy.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "fast_path.h"
#include "node.h"

namespace peft {
namespace {

// Logits held at once. On the CPU the allocator gives blocks above 32 MB back to the system at
// once, and fresh pages cost more than the arithmetic on them.
constexpr int64_t kChunkBytesCpu = int64_t{31} << 20;
constexpr int64_t kChunkBytesGpu = int64_t{256} << 20;

// Few rows against the whole vocabulary: a CPU's matrix product gives each thread some of the rows,
// so that each reads the whole head. By blocks of the vocabulary it is nearly twice as fast.
constexpr int64_t kVocabularyBlock = 1024;

// The gradients are known when the loss is; the backward multiplies them by what comes in.
class HeadLossBackward final : public KernelNode {
 public:
  std::string name() const override { return "HeadLossBackward"; }

  // Gradients in the order of the inputs; that of input 0 holds only the scored rows.
  void set(const std::vector<Tensor>& gradients, const Tensor& scored, int64_t rows) {
    keep(scored);
    for (const Tensor& gradient : gradients) {
      keep(gradient);
    }
    count_ = gradients.size();
    rows_ = rows;
  }

 private:
  variable_list apply(variable_list&& grads) override {
    variable_list result(count_);
    if (!grads[0].defined()) {
      return result;
    }
    const at::NoGradGuard no_grad;
    // Asking a GPU for the number would make this thread wait for it.
    const bool is_one = grads[0].is_cpu() && grads[0].item<double>() == 1.0;
    for (size_t i = 0; i < count_; ++i) {
      const Tensor gradient = kept(i + 1);
      if (wants(i) && gradient.defined()) {
        const Tensor scaled = is_one ? gradient : gradient * grads[0].to(gradient.scalar_type());
        result[i] = i == 0 ? on_all_rows(scaled) : scaled;
      }
    }
    return result;
  }

  Tensor on_all_rows(const Tensor& gradient) {
    const Tensor scored = kept(0);
    if (!scored.defined()) {
      return gradient;
    }
    return at::zeros({rows_, gradient.size(1)}, gradient.options())
        .index_copy_(0, scored, gradient);
  }

  size_t count_ = 0;
  int64_t rows_ = 0;
};

struct ScoredRows {
  Tensor index;    // (n) rows of the batch; undefined if all are scored
  Tensor hidden;   // (n, D)
  Tensor targets;  // (n)
  Tensor weights;  // (n); undefined: 1 each
};

ScoredRows scored_rows(const Tensor& hidden, const Tensor& targets, const Tensor& weights) {
  TORCH_INTERNAL_ASSERT(
      hidden.dim() == 2 && targets.dim() == 1 && targets.size(0) == hidden.size(0),
      "head_cross_entropy wants hidden (N, D) and a target per row");
  const Tensor index = at::nonzero(targets != kNotScored).squeeze(1);
  if (index.size(0) == targets.size(0)) {
    return {Tensor(), hidden, targets.contiguous(), weights};
  }
  return {index, hidden.index_select(0, index), targets.index_select(0, index),
          weights.defined() ? weights.index_select(0, index) : weights};
}

// Equal chunks: a short last one would read the whole head for a few rows.
int64_t rows_per_chunk(const CrossEntropyOptions& options, int64_t rows, int64_t vocabulary,
                       const Tensor& hidden) {
  if (options.chunk_rows > 0) {
    return options.chunk_rows;
  }
  const int64_t bytes = hidden.is_cpu() ? kChunkBytesCpu : kChunkBytesGpu;
  const int64_t most =
      std::max<int64_t>(1, bytes / (vocabulary * static_cast<int64_t>(sizeof(float))));
  const int64_t chunks = (rows + most - 1) / most;
  return chunks == 0 ? 1 : (rows + chunks - 1) / chunks;
}

// Losses and hits of the scored rows, filled chunk by chunk.
struct RowResults {
  RowResults(int64_t rows, const at::TensorOptions& options)
      : losses(at::empty({rows}, options)), hits(at::empty({rows}, options.dtype(at::kBool))) {}

  HeadLoss summed(const CrossEntropyOptions& options) const {
    HeadLoss loss;
    const bool narrow = losses.scalar_type() == at::kFloat;
    // In float64, so that the sum of a long batch keeps the digits of its terms.
    loss.sum = losses.sum(at::kDouble).to(narrow ? at::kFloat : at::kDouble);
    loss.tokens = losses.size(0);
    if (options.count_correct) {
      loss.correct = hits.sum();
    }
    return loss;
  }

  Tensor losses;
  Tensor hits;
};

void finish_rows_fast(const RowKernels& kernels, const Tensor& logits, const Tensor& targets,
                      bool gradient, const Tensor& losses, const Tensor& hits) {
  const int64_t width = logits.size(1);
  float* const row = logits.data_ptr<float>();
  const int64_t* const target = targets.const_data_ptr<int64_t>();
  float* const loss = losses.data_ptr<float>();
  bool* const hit = hits.data_ptr<bool>();
  for_rows(logits.size(0), width, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      loss[i] = kernels.cross_entropy(row + i * width, width, target[i], gradient, hit + i);
    }
  });
}

void finish_rows_plain(const Tensor& logits, const Tensor& targets, bool gradient,
                       const Tensor& losses, const Tensor& hits) {
  const Tensor column = targets.unsqueeze(1);
  hits.copy_(logits.argmax(1) == targets);
  const Tensor logsumexp = at::logsumexp(logits, 1, /*keepdim=*/true);
  losses.copy_((logsumexp - logits.gather(1, column)).squeeze(1));
  if (gradient) {
    logits.sub_(logsumexp).exp_().scatter_add_(1, column,
                                               at::full_like(column, -1, logits.options()));
  }
}

// Losses of rows [begin, begin + n) from their logits (n, V), float32 or float64 and ours to
// change. With `gradient` the logits become the gradient with respect to what they were.
void finish_rows(const Tensor& logits, const ScoredRows& rows, const CrossEntropyOptions& options,
                 bool gradient, int64_t begin, const RowResults& results) {
  const Tensor targets = rows.targets.narrow(0, begin, logits.size(0));
  const Tensor losses = results.losses.narrow(0, begin, logits.size(0));
  const Tensor hits = results.hits.narrow(0, begin, logits.size(0));
  Tensor slope;
  if (options.softcap != 0) {
    logits.div_(options.softcap).tanh_();
    if (gradient) {
      slope = logits.square().neg_().add_(1);
    }
    logits.mul_(options.softcap);
  }
  const RowKernels* kernels = fast_path(logits, losses);
  if (kernels != nullptr) {
    finish_rows_fast(*kernels, logits, targets, gradient, losses, hits);
  } else {
    finish_rows_plain(logits, targets, gradient, losses, hits);
  }
  if (slope.defined()) {
    logits.mul_(slope);
  }
  if (rows.weights.defined()) {
    const Tensor weights = rows.weights.narrow(0, begin, logits.size(0));
    losses.mul_(weights);
    if (gradient) {
      logits.mul_(weights.unsqueeze(1));
    }
  }
}

at::TensorOptions loss_options(const Tensor& hidden) {
  const bool is_double = hidden.scalar_type() == at::kDouble;
  return hidden.options().dtype(is_double ? at::kDouble : at::kFloat).requires_grad(false);
}

void check_targets(const Tensor& targets, int64_t vocabulary) {
  if (targets.size(0) > 0 && targets.is_cpu()) {
    const auto [low, high] = at::aminmax(targets);
    TORCH_INTERNAL_ASSERT(low.item<int64_t>() >= 0 && high.item<int64_t>() < vocabulary,
                          "a scored target lies in [0, V)");
  }
}

// A head that is a matrix, with the gradients asked for.
class MatrixHead {
 public:
  MatrixHead(const Tensor& weight, const Tensor& bias, const ScoredRows& rows)
      : rows_(rows),
        weight_(weight.to(rows.hidden.scalar_type())),
        bias_(bias.defined() ? bias.to(rows.hidden.scalar_type()) : bias) {}

  void want_gradients(bool hidden, bool weight, bool bias) {
    const Tensor& like = rows_.hidden;
    const auto wide = loss_options(like);
    dhidden_ = hidden ? at::empty(like.sizes(), like.options().requires_grad(false)) : Tensor();
    dweight_ = weight ? at::zeros(weight_.sizes(), wide) : Tensor();
    dbias_ = bias ? at::zeros({weight_.size(0)}, wide) : Tensor();
  }

  // All chunks through one buffer of logits.
  RowResults run(const CrossEntropyOptions& options) {
    const int64_t rows = rows_.hidden.size(0);
    const int64_t chunk =
        std::min(rows, rows_per_chunk(options, rows, weight_.size(0), rows_.hidden));
    RowResults results(rows, loss_options(rows_.hidden));
    const Tensor buffer = at::empty({chunk, weight_.size(0)}, dtype_of(rows_.hidden));
    for (int64_t begin = 0; begin < rows; begin += chunk) {
      const int64_t n = std::min(chunk, rows - begin);
      Tensor logits = buffer.narrow(0, 0, n);
      logits_into(logits, begin);
      const Tensor wide = logits.to(loss_options(logits).dtype());
      finish_rows(wide, rows_, options, wants_any(), begin, results);
      if (wants_any()) {
        add_gradients(wide, begin);
      }
    }
    return results;
  }

  std::vector<Tensor> gradients() const { return {dhidden_, dweight_, dbias_}; }

 private:
  static at::TensorOptions dtype_of(const Tensor& x) { return x.options().requires_grad(false); }

  bool wants_any() const { return dhidden_.defined() || dweight_.defined() || dbias_.defined(); }

  void logits_into(Tensor& logits, int64_t begin) const {
    const Tensor x = rows_.hidden.narrow(0, begin, logits.size(0));
    const int64_t vocabulary = weight_.size(0);
    const int64_t block = x.is_cpu() ? kVocabularyBlock : vocabulary;
    for (int64_t v = 0; v < vocabulary; v += block) {
      const int64_t n = std::min(block, vocabulary - v);
      Tensor part = logits.narrow(1, v, n);
      const Tensor rows = weight_.narrow(0, v, n);
      if (bias_.defined()) {
        at::addmm_out(part, bias_.narrow(0, v, n), x, rows.t());
      } else {
        at::mm_out(part, x, rows.t());
      }
    }
  }

  void add_gradients(const Tensor& dlogits, int64_t begin) {
    const Tensor d = dlogits.to(weight_.scalar_type());
    if (dhidden_.defined()) {
      Tensor target = dhidden_.narrow(0, begin, d.size(0));
      at::mm_out(target, d, weight_);
    }
    if (dweight_.defined()) {
      const Tensor x = rows_.hidden.narrow(0, begin, d.size(0));
      if (d.scalar_type() == dweight_.scalar_type()) {
        dweight_.addmm_(d.t(), x);
      } else {
        dweight_.add_(at::mm(d.t(), x));
      }
    }
    if (dbias_.defined()) {
      dbias_.add_(dlogits.sum(0));
    }
  }

  ScoredRows rows_;
  Tensor weight_;
  Tensor bias_;
  Tensor dhidden_;
  Tensor dweight_;
  Tensor dbias_;
};

// A chunk of a head that autograd differentiates: adds to `sums` the gradients of `inputs`.
void add_head_gradients(const Tensor& logits, const Tensor& dlogits,
                        const std::vector<Tensor>& inputs, std::vector<Tensor>& sums) {
  const auto gradients = torch::autograd::grad({logits}, inputs, {dlogits.to(logits.scalar_type())},
                                               /*retain_graph=*/std::nullopt,
                                               /*create_graph=*/false, /*allow_unused=*/true);
  for (size_t i = 0; i < gradients.size(); ++i) {
    if (gradients[i].defined()) {
      sums[i] = sums[i].defined() ? sums[i].add_(gradients[i]) : gradients[i].clone();
    }
  }
}

}  // namespace

HeadLoss head_cross_entropy(const Tensor& hidden, const Tensor& head_weight,
                            const Tensor& head_bias, const Tensor& targets,
                            const CrossEntropyOptions& options) {
  const auto node = make_node<HeadLossBackward>(hidden, head_weight, head_bias);
  const at::NoGradGuard no_grad;
  const ScoredRows rows = scored_rows(hidden, targets, options.weights);
  check_targets(rows.targets, head_weight.size(0));
  MatrixHead head(head_weight, head_bias, rows);
  if (node) {
    head.want_gradients(hidden.requires_grad(), head_weight.requires_grad(),
                        head_bias.defined() && head_bias.requires_grad());
  }
  HeadLoss loss = head.run(options).summed(options);
  if (node) {
    node->set(head.gradients(), rows.index, hidden.size(0));
    link_output(loss.sum, node);
  }
  return loss;
}

HeadLoss head_cross_entropy(const Tensor& hidden,
                            const std::function<Tensor(const Tensor& rows)>& head,
                            at::TensorList trainable, int64_t vocabulary, const Tensor& targets,
                            const CrossEntropyOptions& options) {
  const auto node = make_node<HeadLossBackward>(hidden, trainable);
  const at::NoGradGuard no_grad;
  const ScoredRows scored = scored_rows(hidden, targets, options.weights);
  check_targets(scored.targets, vocabulary);
  const int64_t rows = scored.hidden.size(0);
  const int64_t chunk = rows_per_chunk(options, rows, vocabulary, hidden);
  RowResults results(rows, loss_options(hidden));
  std::vector<Tensor> inputs = trainable.vec();
  inputs.insert(inputs.begin(), Tensor());
  std::vector<Tensor> sums(inputs.size());
  std::vector<Tensor> dhidden;
  for (int64_t begin = 0; begin < rows; begin += chunk) {
    const int64_t n = std::min(chunk, rows - begin);
    const at::AutoGradMode with_grad(node != nullptr);
    inputs[0] = scored.hidden.narrow(0, begin, n).detach().requires_grad_(node != nullptr);
    const Tensor logits = head(inputs[0]);
    TORCH_INTERNAL_ASSERT(logits.size(1) == vocabulary, "a head's width is the vocabulary");
    const at::NoGradGuard without_grad;
    // The head may have saved its output, so the copy is changed, not the output.
    const Tensor dlogits = logits.detach()
                               .to(results.losses.scalar_type(), /*non_blocking=*/false,
                                   /*copy=*/true)
                               .contiguous();
    finish_rows(dlogits, scored, options, node != nullptr, begin, results);
    if (node) {
      add_head_gradients(logits, dlogits, inputs, sums);
      dhidden.push_back(std::exchange(sums[0], Tensor()));
    }
  }
  HeadLoss loss = results.summed(options);
  if (node) {
    sums[0] = dhidden.empty() ? at::zeros_like(scored.hidden) : at::cat(dhidden, 0);
    node->set(sums, scored.index, hidden.size(0));
    link_output(loss.sum, node);
  }
  return loss;
}

HeadLoss head_cross_entropy_reference(const Tensor& hidden, const Tensor& head_weight,
                                      const Tensor& head_bias, const Tensor& targets,
                                      const CrossEntropyOptions& options) {
  const auto dtype = loss_options(hidden).dtype().toScalarType();
  Tensor logits = at::matmul(hidden, head_weight.to(hidden.scalar_type()).t()).to(dtype);
  if (head_bias.defined()) {
    logits = logits + head_bias;
  }
  if (options.softcap != 0) {
    logits = at::tanh(logits / options.softcap) * options.softcap;
  }
  HeadLoss loss;
  const Tensor losses =
      at::cross_entropy_loss(logits, targets, {}, at::Reduction::None, kNotScored);
  loss.sum = options.weights.defined() ? (losses * options.weights).sum() : losses.sum();
  loss.tokens = (targets != kNotScored).sum().item<int64_t>();
  if (options.count_correct) {
    loss.correct = (logits.argmax(1) == targets).sum();
  }
  return loss;
}

}  // namespace peft
