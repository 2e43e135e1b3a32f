#include "peft/io/tensor_difference.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "io/temporary_directory.h"
#include "peft/io/float_formats.h"

namespace peft {
namespace {

/// A file with one tensor "x" of shape (n).
template <class T>
WeightsFile file_of(const std::filesystem::path& path, Dtype dtype, const std::vector<T>& values) {
  write_safetensors(
      path,
      {{"x", dtype, {static_cast<int64_t>(values.size())}, std::as_bytes(std::span(values))}});
  return {path, WeightsFile::Form::kSafetensors};
}

class Differences : public testing::Test {
 protected:
  TensorDifference between(const std::vector<float>& a, const std::vector<float>& b) const {
    return tensor_difference(file_of(folder_ / "a", Dtype::kF32, a),
                             file_of(folder_ / "b", Dtype::kF32, b), "x");
  }
  TemporaryDirectory folder_;
};

TEST_F(Differences, AreTheLargestAndFrobenius) {
  const TensorDifference difference = between({3, 4, 0}, {3, 1, 4});
  EXPECT_EQ(difference.largest, 4.0);
  EXPECT_EQ(difference.relative(), 1.0);  // 5 / 5
  EXPECT_FALSE(difference.none());
}

TEST_F(Differences, OfEqualTensorsAreNone) {
  EXPECT_TRUE(between({1, -2}, {1, -2}).none());
  EXPECT_EQ(between({0, 0}, {0, 0}).relative(), 0.0);
  EXPECT_TRUE(std::isinf(between({0, 0}, {0, 1}).relative()));
}

TEST_F(Differences, SeeNumbersThatAreNone) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const TensorDifference difference = between({1, nan, 1}, {1, 1, 5});
  EXPECT_TRUE(std::isnan(difference.largest));
  EXPECT_FALSE(difference.none());
}

TEST_F(Differences, SpanPieces) {
  std::vector<float> a(200000, 1.0F);
  std::vector<float> b = a;
  b[0] = 2.0F;
  b[199999] = 4.0F;
  const TensorDifference difference = between(a, b);
  EXPECT_EQ(difference.largest, 3.0);
  EXPECT_EQ(difference.squares, 10.0);
  EXPECT_EQ(difference.original, 200000.0);
}

TEST_F(Differences, CompareNumbersOfDifferentTypes) {
  const WeightsFile a = file_of<float>(folder_ / "a", Dtype::kF32, {1.5F, -2.0F});
  const WeightsFile b = file_of<uint16_t>(folder_ / "b", Dtype::kBF16,
                                          {bfloat16_from_float(1.5F), bfloat16_from_float(-3)});
  const WeightsFile c = file_of<int64_t>(folder_ / "c", Dtype::kI64, {1, -2});
  EXPECT_EQ(tensor_difference(a, b, "x").largest, 1.0);
  EXPECT_EQ(tensor_difference(a, c, "x").largest, 0.5);
}

TEST_F(Differences, AreNotTakenBetweenShapes) {
  EXPECT_EQ(error_text([&] {
              between({1}, {1, 2});
            }),
            (folder_ / "b").string() + ": x: expected the shape that " + (folder_ / "a").string() +
                " has");
}

}  // namespace
}  // namespace peft
