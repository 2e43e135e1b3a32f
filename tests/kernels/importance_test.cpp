#include "peft/kernels/importance.h"

#include "compare.h"

namespace peft {
namespace {

TEST(Importance, EqualsItsFormulaAtEveryLength) {
  for (const int64_t length : {1, 7, 64, 40000}) {
    SCOPED_TRACE(length);
    const Tensor value = normal({length}, 1);
    const Tensor gradient = normal({length}, 2);
    Tensor mean = normal({length}, 3).abs();
    Tensor uncertainty = normal({length}, 4).abs();
    const Tensor now = (value * gradient).abs();
    const Tensor new_mean = 0.85 * mean + 0.15 * now;
    const Tensor new_uncertainty = 0.7 * uncertainty + 0.3 * (now - new_mean).abs();
    update_importance(value, gradient, mean, uncertainty, 0.85, 0.7);
    expect_close(mean, new_mean);
    expect_close(uncertainty, new_uncertainty);
  }
}

TEST(Importance, TakesTensorsWithGaps) {
  const Tensor value = normal({6, 5}, 1).t();
  Tensor mean = at::zeros({5, 6});
  Tensor uncertainty = at::zeros({5, 6});
  update_importance(value, value, mean, uncertainty, 0.5, 0.5);
  expect_close(mean, 0.5 * value * value);
  expect_close(uncertainty, 0.25 * value * value);
}

}  // namespace
}  // namespace peft
