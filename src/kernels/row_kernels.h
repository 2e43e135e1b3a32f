#pragma once

#include <cstdint>

// No torch header here: this one is included by sources compiled for particular processors.
namespace peft {

/// Float32 kernels over rows, for one thread; callers divide the rows among threads. Strides and
/// widths count floats; elements of a row are adjacent.
struct RowKernels {
  /// y = x * rstd * weight, rstd = 1 / sqrt(mean(x^2) + eps) per row; y has stride `width`.
  void (*rms_norm)(const float* x, int64_t x_stride, const float* weight, float* y, float* rstd,
                   int64_t rows, int64_t width, float eps);
  /// dx of rms_norm from the gradient `g` of y.
  void (*rms_norm_backward)(const float* g, int64_t g_stride, const float* x, int64_t x_stride,
                            const float* weight, const float* rstd, float* dx, int64_t rows,
                            int64_t width);
  /// Turns the first `half` dimensions of each head with the next `half`; `sign` -1 turns back.
  /// x (rows, heads, width) with two strides; y without gaps; cos, sin (rows, half) without gaps.
  void (*rotary)(const float* x, int64_t row_stride, int64_t head_stride, const float* cos,
                 const float* sin, float* y, int64_t rows, int64_t heads, int64_t width,
                 int64_t half, float sign);
  /// y = silu(gate) * up; y has stride `width`.
  void (*swiglu)(const float* gate, int64_t gate_stride, const float* up, int64_t up_stride,
                 float* y, int64_t rows, int64_t width);
  /// dgate and dup (stride `width`) of swiglu from the gradient `g` of y.
  void (*swiglu_backward)(const float* g, int64_t g_stride, const float* gate, int64_t gate_stride,
                          const float* up, int64_t up_stride, float* dgate, float* dup,
                          int64_t rows, int64_t width);
  /// dx = g * gain (stride `width`), and g * y added up over the rows into `sums` (width).
  void (*column_gain_backward)(const float* g, int64_t g_stride, const float* y, int64_t y_stride,
                               const float* gain, float* dx, float* sums, int64_t rows,
                               int64_t width);
  /// now = |value * gradient|; mean = beta1 mean + (1 - beta1) now; uncertainty the same with beta2
  /// of |now - mean|, over `width` numbers in place.
  void (*importance)(const float* value, const float* gradient, float* mean, float* uncertainty,
                     int64_t width, float beta1, float beta2);
  /// -log softmax(logits)[target] of one row. With `gradient` the row becomes softmax - onehot.
  /// `correct` tells whether the target is the first of the largest logits.
  float (*cross_entropy)(float* logits, int64_t width, int64_t target, bool gradient,
                         bool* correct);
};

/// The kernels for this processor, or nullptr where plain ATen operators have to do.
const RowKernels* row_kernels();

/// The AVX2 + FMA kernels, or nullptr in a build for another architecture.
const RowKernels* avx2_row_kernels();

}  // namespace peft
