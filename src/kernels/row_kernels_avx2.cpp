#include "row_kernels.h"

#if defined(__AVX2__) && defined(__FMA__)

#include <immintrin.h>

namespace peft {
namespace {

constexpr int64_t kLanes = 8;

// For the last width % 8 elements: lanes below `count` are on.
__m256i tail_mask(int64_t count) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), lane);
}

float sum_of(__m256 v) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

float max_of(__m256 v) {
  __m128 m = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  m = _mm_max_ps(m, _mm_movehl_ps(m, m));
  return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}

// e^x to 2 units in the last place: x = n ln 2 + r, |r| <= ln 2 / 2, and a minimax polynomial in r.
// Arguments are clamped to what float32 can hold; NaN stays NaN (max and min return their second
// operand then).
__m256 exp_of(__m256 x) {
  x = _mm256_max_ps(_mm256_set1_ps(-87.3F), x);
  x = _mm256_min_ps(_mm256_set1_ps(88.0F), x);
  const __m256 n = _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(1.44269504088896341F)),
                                   _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0.693359375F), x);
  r = _mm256_fnmadd_ps(n, _mm256_set1_ps(-2.12194440e-4F), r);
  __m256 p = _mm256_set1_ps(1.9875691500e-4F);
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.3981999507e-3F));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(8.3334519073e-3F));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(4.1665795894e-2F));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.6666665459e-1F));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(5.0000001201e-1F));
  p = _mm256_add_ps(_mm256_fmadd_ps(_mm256_mul_ps(r, r), p, r), _mm256_set1_ps(1.0F));
  const __m256i exponent = _mm256_slli_epi32(
      _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), /*bits of the fraction=*/23);
  return _mm256_mul_ps(p, _mm256_castsi256_ps(exponent));
}

// log x for a normal positive x, in double: one call per row, so its speed does not matter.
double log_of(double x) {
  return __builtin_log(x);
}

__m256 sigmoid_of(__m256 x) {
  const __m256 one = _mm256_set1_ps(1.0F);
  return _mm256_div_ps(one, _mm256_add_ps(one, exp_of(_mm256_sub_ps(_mm256_setzero_ps(), x))));
}

// Calls body(offset, load, store) for every group of eight and a masked tail.
template <class Whole, class Tail>
void for_lanes(int64_t width, Whole whole, Tail tail) {
  int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) {
    whole(i);
  }
  if (i < width) {
    tail(i, tail_mask(width - i));
  }
}

float sum_of_squares(const float* x, int64_t width) {
  __m256 a = _mm256_setzero_ps();
  __m256 b = _mm256_setzero_ps();
  int64_t i = 0;
  for (; i + 2 * kLanes <= width; i += 2 * kLanes) {
    const __m256 u = _mm256_loadu_ps(x + i);
    const __m256 v = _mm256_loadu_ps(x + i + kLanes);
    a = _mm256_fmadd_ps(u, u, a);
    b = _mm256_fmadd_ps(v, v, b);
  }
  for (; i < width; i += kLanes) {
    const int64_t left = width - i;
    const __m256 u = _mm256_maskload_ps(x + i, tail_mask(left < kLanes ? left : kLanes));
    a = _mm256_fmadd_ps(u, u, a);
  }
  return sum_of(_mm256_add_ps(a, b));
}

void rms_norm(const float* x, int64_t x_stride, const float* weight, float* y, float* rstd,
              int64_t rows, int64_t width, float eps) {
  for (int64_t row = 0; row < rows; ++row, x += x_stride, y += width) {
    const float mean = sum_of_squares(x, width) / static_cast<float>(width);
    rstd[row] = 1.0F / __builtin_sqrtf(mean + eps);
    const __m256 scale = _mm256_set1_ps(rstd[row]);
    for_lanes(
        width,
        [&](int64_t i) {
          const __m256 normal = _mm256_mul_ps(_mm256_loadu_ps(x + i), scale);
          _mm256_storeu_ps(y + i, _mm256_mul_ps(normal, _mm256_loadu_ps(weight + i)));
        },
        [&](int64_t i, __m256i on) {
          const __m256 normal = _mm256_mul_ps(_mm256_maskload_ps(x + i, on), scale);
          _mm256_maskstore_ps(y + i, on, _mm256_mul_ps(normal, _mm256_maskload_ps(weight + i, on)));
        });
  }
}

// With n = x rstd: dx = rstd (g w - n mean(g w n)).
void rms_norm_backward(const float* g, int64_t g_stride, const float* x, int64_t x_stride,
                       const float* weight, const float* rstd, float* dx, int64_t rows,
                       int64_t width) {
  for (int64_t row = 0; row < rows; ++row, g += g_stride, x += x_stride, dx += width) {
    __m256 dot = _mm256_setzero_ps();
    for_lanes(
        width,
        [&](int64_t i) {
          const __m256 gw = _mm256_mul_ps(_mm256_loadu_ps(g + i), _mm256_loadu_ps(weight + i));
          dot = _mm256_fmadd_ps(gw, _mm256_loadu_ps(x + i), dot);
        },
        [&](int64_t i, __m256i on) {
          const __m256 gw =
              _mm256_mul_ps(_mm256_maskload_ps(g + i, on), _mm256_maskload_ps(weight + i, on));
          dot = _mm256_fmadd_ps(gw, _mm256_maskload_ps(x + i, on), dot);
        });
    const float r = rstd[row];
    const __m256 scale = _mm256_set1_ps(r);
    const __m256 pull = _mm256_set1_ps(sum_of(dot) * r * r * r / static_cast<float>(width));
    for_lanes(
        width,
        [&](int64_t i) {
          const __m256 gw = _mm256_mul_ps(_mm256_loadu_ps(g + i), _mm256_loadu_ps(weight + i));
          const __m256 back = _mm256_mul_ps(_mm256_loadu_ps(x + i), pull);
          _mm256_storeu_ps(dx + i, _mm256_fmsub_ps(gw, scale, back));
        },
        [&](int64_t i, __m256i on) {
          const __m256 gw =
              _mm256_mul_ps(_mm256_maskload_ps(g + i, on), _mm256_maskload_ps(weight + i, on));
          const __m256 back = _mm256_mul_ps(_mm256_maskload_ps(x + i, on), pull);
          _mm256_maskstore_ps(dx + i, on, _mm256_fmsub_ps(gw, scale, back));
        });
  }
}

void rotate_head(const float* x, const float* cos, const float* sin, float* y, int64_t width,
                 int64_t half, float sign) {
  const __m256 turn = _mm256_set1_ps(sign);
  for_lanes(
      half,
      [&](int64_t i) {
        const __m256 c = _mm256_loadu_ps(cos + i);
        const __m256 s = _mm256_mul_ps(_mm256_loadu_ps(sin + i), turn);
        const __m256 a = _mm256_loadu_ps(x + i);
        const __m256 b = _mm256_loadu_ps(x + half + i);
        _mm256_storeu_ps(y + i, _mm256_fmsub_ps(a, c, _mm256_mul_ps(b, s)));
        _mm256_storeu_ps(y + half + i, _mm256_fmadd_ps(b, c, _mm256_mul_ps(a, s)));
      },
      [&](int64_t i, __m256i on) {
        const __m256 c = _mm256_maskload_ps(cos + i, on);
        const __m256 s = _mm256_mul_ps(_mm256_maskload_ps(sin + i, on), turn);
        const __m256 a = _mm256_maskload_ps(x + i, on);
        const __m256 b = _mm256_maskload_ps(x + half + i, on);
        _mm256_maskstore_ps(y + i, on, _mm256_fmsub_ps(a, c, _mm256_mul_ps(b, s)));
        _mm256_maskstore_ps(y + half + i, on, _mm256_fmadd_ps(b, c, _mm256_mul_ps(a, s)));
      });
  for (int64_t i = 2 * half; i < width; ++i) {
    y[i] = x[i];
  }
}

void rotary(const float* x, int64_t row_stride, int64_t head_stride, const float* cos,
            const float* sin, float* y, int64_t rows, int64_t heads, int64_t width, int64_t half,
            float sign) {
  for (int64_t row = 0; row < rows; ++row, x += row_stride, cos += half, sin += half) {
    for (int64_t head = 0; head < heads; ++head, y += width) {
      rotate_head(x + head * head_stride, cos, sin, y, width, half, sign);
    }
  }
}

void swiglu(const float* gate, int64_t gate_stride, const float* up, int64_t up_stride, float* y,
            int64_t rows, int64_t width) {
  const auto value = [](__m256 g, __m256 u) {
    return _mm256_mul_ps(_mm256_mul_ps(g, sigmoid_of(g)), u);
  };
  for (int64_t row = 0; row < rows; ++row, gate += gate_stride, up += up_stride, y += width) {
    for_lanes(
        width,
        [&](int64_t i) {
          _mm256_storeu_ps(y + i, value(_mm256_loadu_ps(gate + i), _mm256_loadu_ps(up + i)));
        },
        [&](int64_t i, __m256i on) {
          _mm256_maskstore_ps(
              y + i, on, value(_mm256_maskload_ps(gate + i, on), _mm256_maskload_ps(up + i, on)));
        });
  }
}

struct GateUp {
  __m256 gate;
  __m256 up;
};

// silu'(g) = s (1 + g (1 - s)) with s = sigmoid(g).
GateUp swiglu_gradient(__m256 grad, __m256 g, __m256 u) {
  const __m256 one = _mm256_set1_ps(1.0F);
  const __m256 s = sigmoid_of(g);
  const __m256 slope = _mm256_mul_ps(s, _mm256_fmadd_ps(g, _mm256_sub_ps(one, s), one));
  return {_mm256_mul_ps(_mm256_mul_ps(grad, u), slope), _mm256_mul_ps(grad, _mm256_mul_ps(g, s))};
}

void swiglu_backward(const float* g, int64_t g_stride, const float* gate, int64_t gate_stride,
                     const float* up, int64_t up_stride, float* dgate, float* dup, int64_t rows,
                     int64_t width) {
  for (int64_t row = 0; row < rows; ++row) {
    for_lanes(
        width,
        [&](int64_t i) {
          const GateUp d = swiglu_gradient(_mm256_loadu_ps(g + i), _mm256_loadu_ps(gate + i),
                                           _mm256_loadu_ps(up + i));
          _mm256_storeu_ps(dgate + i, d.gate);
          _mm256_storeu_ps(dup + i, d.up);
        },
        [&](int64_t i, __m256i on) {
          const GateUp d =
              swiglu_gradient(_mm256_maskload_ps(g + i, on), _mm256_maskload_ps(gate + i, on),
                              _mm256_maskload_ps(up + i, on));
          _mm256_maskstore_ps(dgate + i, on, d.gate);
          _mm256_maskstore_ps(dup + i, on, d.up);
        });
    g += g_stride;
    gate += gate_stride;
    up += up_stride;
    dgate += width;
    dup += width;
  }
}

void column_gain_backward(const float* g, int64_t g_stride, const float* y, int64_t y_stride,
                          const float* gain, float* dx, float* sums, int64_t rows, int64_t width) {
  for (int64_t row = 0; row < rows; ++row, g += g_stride, y += y_stride, dx += width) {
    for_lanes(
        width,
        [&](int64_t i) {
          const __m256 grad = _mm256_loadu_ps(g + i);
          _mm256_storeu_ps(
              sums + i, _mm256_fmadd_ps(grad, _mm256_loadu_ps(y + i), _mm256_loadu_ps(sums + i)));
          _mm256_storeu_ps(dx + i, _mm256_mul_ps(grad, _mm256_loadu_ps(gain + i)));
        },
        [&](int64_t i, __m256i on) {
          const __m256 grad = _mm256_maskload_ps(g + i, on);
          _mm256_maskstore_ps(sums + i, on,
                              _mm256_fmadd_ps(grad, _mm256_maskload_ps(y + i, on),
                                              _mm256_maskload_ps(sums + i, on)));
          _mm256_maskstore_ps(dx + i, on, _mm256_mul_ps(grad, _mm256_maskload_ps(gain + i, on)));
        });
  }
}

void importance(const float* value, const float* gradient, float* mean, float* uncertainty,
                int64_t width, float beta1, float beta2) {
  const auto absolute = [](__m256 x) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0F), x); };
  const auto average = [](__m256 old, __m256 now, float beta) {
    return _mm256_fmadd_ps(_mm256_set1_ps(beta), old,
                           _mm256_mul_ps(_mm256_set1_ps(1.0F - beta), now));
  };
  for_lanes(
      width,
      [&](int64_t i) {
        const __m256 now =
            absolute(_mm256_mul_ps(_mm256_loadu_ps(value + i), _mm256_loadu_ps(gradient + i)));
        const __m256 m = average(_mm256_loadu_ps(mean + i), now, beta1);
        const __m256 change = absolute(_mm256_sub_ps(now, m));
        _mm256_storeu_ps(mean + i, m);
        _mm256_storeu_ps(uncertainty + i, average(_mm256_loadu_ps(uncertainty + i), change, beta2));
      },
      [&](int64_t i, __m256i on) {
        const __m256 now = absolute(
            _mm256_mul_ps(_mm256_maskload_ps(value + i, on), _mm256_maskload_ps(gradient + i, on)));
        const __m256 m = average(_mm256_maskload_ps(mean + i, on), now, beta1);
        const __m256 change = absolute(_mm256_sub_ps(now, m));
        _mm256_maskstore_ps(mean + i, on, m);
        _mm256_maskstore_ps(uncertainty + i, on,
                            average(_mm256_maskload_ps(uncertainty + i, on), change, beta2));
      });
}

float largest(const float* x, int64_t width) {
  float tail = x[0];
  __m256 m[4] = {_mm256_set1_ps(tail), _mm256_set1_ps(tail), _mm256_set1_ps(tail),
                 _mm256_set1_ps(tail)};
  int64_t i = 0;
  for (; i + 4 * kLanes <= width; i += 4 * kLanes) {
    for (int k = 0; k < 4; ++k) {
      m[k] = _mm256_max_ps(m[k], _mm256_loadu_ps(x + i + k * kLanes));
    }
  }
  for (; i < width; ++i) {
    tail = x[i] > tail ? x[i] : tail;
  }
  const float rest = max_of(_mm256_max_ps(_mm256_max_ps(m[0], m[1]), _mm256_max_ps(m[2], m[3])));
  return rest > tail ? rest : tail;
}

// Sum of e^(x - shift); with kStore each x becomes its term.
template <bool kStore>
float sum_of_exponentials(float* x, int64_t width, float shift) {
  const __m256 low = _mm256_set1_ps(shift);
  __m256 sum[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(),
                   _mm256_setzero_ps()};
  int64_t i = 0;
  for (; i + 4 * kLanes <= width; i += 4 * kLanes) {
    for (int k = 0; k < 4; ++k) {
      const __m256 e = exp_of(_mm256_sub_ps(_mm256_loadu_ps(x + i + k * kLanes), low));
      if constexpr (kStore) {
        _mm256_storeu_ps(x + i + k * kLanes, e);
      }
      sum[k] = _mm256_add_ps(sum[k], e);
    }
  }
  for (; i < width; i += kLanes) {
    const __m256i on = tail_mask(width - i < kLanes ? width - i : kLanes);
    const __m256 e = exp_of(_mm256_sub_ps(_mm256_maskload_ps(x + i, on), low));
    if constexpr (kStore) {
      _mm256_maskstore_ps(x + i, on, e);
    }
    sum[0] = _mm256_add_ps(sum[0], _mm256_and_ps(e, _mm256_castsi256_ps(on)));
  }
  return sum_of(_mm256_add_ps(_mm256_add_ps(sum[0], sum[1]), _mm256_add_ps(sum[2], sum[3])));
}

void multiply(float* x, int64_t width, float factor) {
  const __m256 f = _mm256_set1_ps(factor);
  for_lanes(
      width, [&](int64_t i) { _mm256_storeu_ps(x + i, _mm256_mul_ps(_mm256_loadu_ps(x + i), f)); },
      [&](int64_t i, __m256i on) {
        _mm256_maskstore_ps(x + i, on, _mm256_mul_ps(_mm256_maskload_ps(x + i, on), f));
      });
}

bool is_first_largest(const float* x, int64_t target, float maximum) {
  if (x[target] != maximum) {
    return false;
  }
  for (int64_t i = 0; i < target; ++i) {
    if (x[i] == maximum) {
      return false;
    }
  }
  return true;
}

float cross_entropy(float* logits, int64_t width, int64_t target, bool gradient, bool* correct) {
  const float maximum = largest(logits, width);
  *correct = is_first_largest(logits, target, maximum);
  const double below = static_cast<double>(maximum) - static_cast<double>(logits[target]);
  const float sum = gradient ? sum_of_exponentials<true>(logits, width, maximum)
                             : sum_of_exponentials<false>(logits, width, maximum);
  if (gradient) {
    multiply(logits, width, 1.0F / sum);
    logits[target] -= 1.0F;
  }
  return static_cast<float>(log_of(static_cast<double>(sum)) + below);
}

}  // namespace

const RowKernels* avx2_row_kernels() {
  static constexpr RowKernels kKernels{rms_norm,   rms_norm_backward, rotary,
                                       swiglu,     swiglu_backward,   column_gain_backward,
                                       importance, cross_entropy};
  return &kKernels;
}

}  // namespace peft

#else

namespace peft {

const RowKernels* avx2_row_kernels() {
  return nullptr;
}

}  // namespace peft

#endif
