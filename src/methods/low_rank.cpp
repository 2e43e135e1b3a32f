#include "peft/methods/low_rank.h"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>

namespace peft {
namespace {

/// How many of the singular values, largest first, an update of at most `rank` takes: those that
/// are more than rounding, and one at least. `longest`: the matrix's longer side.
int64_t values_to_keep(const Tensor& values, int64_t longest, int64_t rank) {
  const double rounding = std::numeric_limits<float>::epsilon() * values[0].item<double>() *
                          std::sqrt(static_cast<double>(longest));
  const int64_t left = std::max<int64_t>(1, (values > rounding).sum().item<int64_t>());
  return std::min({rank, left, values.size(0)});
}

/// U (out, R) with U^T U = 1, the singular values and the rest of the product (R, in), as factors
/// of even size.
LowRank evenly(const Tensor& u, const Tensor& values, const Tensor& rest) {
  // A matrix of zeros has a value of zero.
  const Tensor root = values.sqrt().clamp_min(std::numeric_limits<float>::min());
  return {(rest / root.unsqueeze(1)).to(at::kFloat).contiguous(),
          (u * root).to(at::kFloat).contiguous(), 1.0};
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
  if (matrix.size(0) > matrix.size(1)) {
    const LowRank turned = nearest(matrix.t(), rank);
    return {turned.b.t().contiguous(), turned.a.t().contiguous(), 1.0};
  }
  // The eigenvectors of M M^T are M's left singular vectors; U U^T M is the nearest matrix. In
  // double precision the squares lose nothing of a float32 matrix, and this takes a quarter of the
  // time of a singular value decomposition.
  const Tensor m = matrix.to(at::kDouble);
  const auto [squares, vectors] = at::linalg_eigh(at::mm(m, m.t()));  // smallest first
  const Tensor values = squares.clamp_min(0.0).sqrt().flip(0);
  const int64_t r = values_to_keep(values, m.size(1), rank);
  const Tensor u = vectors.flip(1).narrow(1, 0, r);
  return evenly(u, values.narrow(0, 0, r), at::mm(u.t(), m));
}

LowRank nearest(const LowRank& update, int64_t rank) {
  // B = Qb Rb and A^T = Qa Ra, so that B A = Qb (Rb Ra^T) Qa^T: the core is (R, R).
  const auto [qb, rb] = at::linalg_qr(update.b.to(at::kDouble));
  const auto [qa, ra] = at::linalg_qr(update.a.to(at::kDouble).t());
  const auto [u, values, vh] =
      at::linalg_svd(at::mm(rb, ra.t()) * update.scale, /*full_matrices=*/false);
  const int64_t r = values_to_keep(values, std::max(update.b.size(0), update.a.size(1)), rank);
  const Tensor kept = values.narrow(0, 0, r);
  return evenly(at::mm(qb, u.narrow(1, 0, r)), kept,
                at::mm(vh.narrow(0, 0, r) * kept.unsqueeze(1), qa.t()));
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
