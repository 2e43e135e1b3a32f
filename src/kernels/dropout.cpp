#include "peft/kernels/dropout.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include <cmath>

#include "fast_path.h"
#include "node.h"

namespace peft {
namespace {

// The finaliser of MurmurHash3 with the constants of SplitMix64 (Steele et al. 2014): every bit of
// the input moves every bit of the output. `golden` is 2^64 divided by the golden ratio.
constexpr uint64_t kGolden = 0x9E3779B97F4A7C15U;
constexpr uint64_t kFirst = 0xBF58476D1CE4E5B9U;
constexpr uint64_t kSecond = 0x94D049BB133111EBU;

constexpr uint64_t mixed(uint64_t x) {
  x = (x ^ (x >> 30)) * kFirst;
  x = (x ^ (x >> 27)) * kSecond;
  return x ^ (x >> 31);
}

// Columns are drawn in pairs: one 64-bit number gives column 2c its low half and 2c + 1 its high
// one.
constexpr uint64_t kHalf = 0xFFFFFFFFU;

uint64_t threshold_of(double p) {
  return static_cast<uint64_t>(std::llround(p * 4294967296.0));
}

void drop_row(const float* x, float* y, int64_t width, uint64_t row, uint64_t threshold,
              float factor) {
  // A table instead of a branch: the processor cannot foresee random draws.
  const float scales[2] = {0.0F, factor};
  for (int64_t i = 0; i < width; i += 2) {
    const uint64_t draw = mixed(row + static_cast<uint64_t>(i / 2 + 1) * kGolden);
    y[i] = x[i] * scales[static_cast<size_t>((draw & kHalf) >= threshold)];
    if (i + 1 < width) {
      y[i + 1] = x[i + 1] * scales[static_cast<size_t>((draw >> 32) >= threshold)];
    }
  }
}

Tensor dropped_fast(const Tensor& x, const Tensor& row_keys, int64_t layer_key, double p) {
  const Tensor rows = as_rows(x);
  const int64_t width = rows.size(1);
  Tensor y = at::empty(x.sizes(), x.options());
  const float* const source = rows.const_data_ptr<float>();
  float* const target = y.data_ptr<float>();
  const int64_t* const keys = row_keys.const_data_ptr<int64_t>();
  const auto factor = static_cast<float>(1.0 / (1.0 - p));
  for_rows(rows.size(0), width, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      drop_row(source + i * rows.stride(0), target + i * width, width,
               static_cast<uint64_t>(mix_keys(keys[i], layer_key)), threshold_of(p), factor);
    }
  });
  return y;
}

Tensor dropped(const Tensor& x, const Tensor& row_keys, int64_t layer_key, double p) {
  if (fast_path(x) != nullptr) {
    return dropped_fast(x, row_keys.contiguous(), layer_key, p);
  }
  return x * keyed_dropout_mask(row_keys, x.size(1), layer_key, p).to(x.scalar_type());
}

class KeyedDropoutBackward final : public KernelNode {
 public:
  std::string name() const override { return "KeyedDropoutBackward"; }
  void set(int64_t layer_key, double p) {
    layer_key_ = layer_key;
    p_ = p;
  }

 private:
  variable_list apply(variable_list&& grads) override {
    if (!grads[0].defined()) {
      return variable_list(1);
    }
    const at::NoGradGuard no_grad;
    return {dropped(grads[0], kept(0), layer_key_, p_)};
  }

  int64_t layer_key_ = 0;
  double p_ = 0;
};

// x >> bits without the sign's copies; ATen has no unsigned 64-bit arithmetic.
Tensor shifted(const Tensor& x, int64_t bits) {
  return at::bitwise_right_shift(x, bits).bitwise_and_((int64_t{1} << (64 - bits)) - 1);
}

Tensor mixed(Tensor x) {
  x = at::bitwise_xor(x, shifted(x, 30)).mul_(static_cast<int64_t>(kFirst));
  x = at::bitwise_xor(x, shifted(x, 27)).mul_(static_cast<int64_t>(kSecond));
  return at::bitwise_xor(x, shifted(x, 31));
}

}  // namespace

int64_t mix_keys(int64_t a, int64_t b) {
  return static_cast<int64_t>(
      mixed(mixed(static_cast<uint64_t>(a) + kGolden) ^ static_cast<uint64_t>(b)));
}

Tensor keyed_dropout(const Tensor& x, const Tensor& row_keys, int64_t layer_key, double p) {
  TORCH_INTERNAL_ASSERT(x.dim() == 2 && row_keys.dim() == 1 && row_keys.size(0) == x.size(0),
                        "keyed_dropout wants x (N, D) and a key per row");
  TORCH_INTERNAL_ASSERT(p >= 0 && p < 1, "a dropout probability lies in [0, 1)");
  if (p == 0) {
    return x;
  }
  const auto node = make_node<KeyedDropoutBackward>(x);
  const at::NoGradGuard no_grad;
  const Tensor y = dropped(x, row_keys, layer_key, p);
  if (node) {
    node->set(layer_key, p);
    node->keep(row_keys);
    link_output(y, node);
  }
  return y;
}

Tensor keyed_dropout_mask(const Tensor& row_keys, int64_t columns, int64_t layer_key, double p) {
  const at::NoGradGuard no_grad;
  const int64_t pairs = (columns + 1) / 2;
  const Tensor rows =
      mixed(at::bitwise_xor(mixed(row_keys + static_cast<int64_t>(kGolden)), layer_key));
  const Tensor steps =
      at::arange(1, pairs + 1, row_keys.options()).mul_(static_cast<int64_t>(kGolden));
  const Tensor draws = mixed(rows.unsqueeze(1) + steps.unsqueeze(0));
  const Tensor halves =
      at::stack({at::bitwise_and(draws, static_cast<int64_t>(kHalf)), shifted(draws, 32)}, 2)
          .flatten(1)
          .narrow(1, 0, columns);
  return (halves >= static_cast<int64_t>(threshold_of(p))).to(at::kFloat).mul_(1.0 / (1.0 - p));
}

}  // namespace peft
