#include "peft/kernels/orthogonality.h"

#include "compare.h"

namespace peft {
namespace {

Tensor one_node(const std::vector<Tensor>& in) {
  return orthogonality({in[0], in[1]}, {in[2]});
}
Tensor plain(const std::vector<Tensor>& in) {
  const auto length = [](const Tensor& rows) {
    return (at::mm(rows, rows.t()) - at::eye(rows.size(0))).norm();
  };
  return length(in[0]) + length(in[1]) + length(in[2].t());
}

TEST(Orthogonality, EqualsItsFormula) {
  expect_same_function(one_node, plain, {normal({4, 9}, 1), normal({3, 5}, 2), normal({7, 2}, 3)});
}

TEST(Orthogonality, OfAnOrthonormalSetIsZeroWithZeroGradient) {
  const Tensor rows = trained(at::eye(3, 5));
  const Tensor sum = orthogonality({rows}, {});
  sum.backward();
  EXPECT_EQ(sum.item<float>(), 0.0F);
  EXPECT_EQ(rows.grad().abs().max().item<float>(), 0.0F);
}

}  // namespace
}  // namespace peft
