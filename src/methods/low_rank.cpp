#include "peft/methods/low_rank.h"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>

namespace peft {
namespace {

/// Singular vectors U (out, n) and V^T (n, in) with their values (n), largest first, as the nearest
/// update of a rank.
LowRank largest_values(const Tensor& u, const Tensor& values, const Tensor& vh, int64_t rank) {
  // What LAPACK's error bound cannot tell from zero.
  const double rounding = std::numeric_limits<float>::epsilon() * values.max().item<double>() *
                          static_cast<double>(std::max(u.size(0), vh.size(1)));
  const int64_t left = std::max<int64_t>(1, (values > rounding).sum().item<int64_t>());
  const int64_t r = std::min({rank, left, values.size(0)});
  const Tensor root = values.narrow(0, 0, r).sqrt();
  return {(root.unsqueeze(1) * vh.narrow(0, 0, r)).to(at::kFloat).contiguous(),
          (u.narrow(1, 0, r) * root).to(at::kFloat).contiguous(), 1.0};
}

double ratio(double error, double size) {
  return size > 0.0 ? error / size : 0.0;
}

}  // namespace

Tensor LowRank::product() const {
  return at::mm(b, a) * scale;
}

double LowRank::norm() const {
  // |B A|^2 = trace((B^T B) (A A^T))
  const Tensor x = a.to(at::kDouble);
  const Tensor y = b.to(at::kDouble);
  const double square = (at::mm(y.t(), y) * at::mm(x, x.t())).sum().item<double>();
  return std::abs(scale) * std::sqrt(std::max(0.0, square));
}

LowRank stacked(const std::vector<LowRank>& updates) {
  std::vector<Tensor> a;
  std::vector<Tensor> b;
  for (const LowRank& update : updates) {
    a.push_back(update.a * update.scale);
    b.push_back(update.b);
  }
  return {at::cat(a, 0), at::cat(b, 1), 1.0};
}

LowRank nearest(const Tensor& matrix, int64_t rank) {
  const auto [u, values, vh] = at::linalg_svd(matrix.to(at::kFloat), /*full_matrices=*/false);
  return largest_values(u, values, vh, rank);
}

LowRank nearest(const LowRank& update, int64_t rank) {
  // B = Qb Rb and A^T = Qa Ra, so that B A = Qb (Rb Ra^T) Qa^T: the core is (R, R).
  const auto [qb, rb] = at::linalg_qr(update.b.to(at::kDouble));
  const auto [qa, ra] = at::linalg_qr(update.a.to(at::kDouble).t());
  const auto [u, values, vh] =
      at::linalg_svd(at::mm(rb, ra.t()) * update.scale, /*full_matrices=*/false);
  return largest_values(at::mm(qb, u), values, at::mm(vh, qa.t()), rank);
}

double relative_error(const LowRank& approximation, const Tensor& original) {
  const Tensor rest = original - approximation.product();
  return ratio(at::linalg_vector_norm(rest, 2, {}, false, at::kDouble).item<double>(),
               at::linalg_vector_norm(original, 2, {}, false, at::kDouble).item<double>());
}

double relative_error(const LowRank& approximation, const LowRank& original) {
  LowRank negative = original;
  negative.scale = -original.scale;
  const auto wide = [](LowRank update) {
    return LowRank{update.a.to(at::kDouble), update.b.to(at::kDouble), update.scale};
  };
  return ratio(stacked({wide(approximation), wide(negative)}).norm(), original.norm());
}

}  // namespace peft
