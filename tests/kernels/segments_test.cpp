#include "peft/kernels/segments.h"

#include <ATen/Functions.h>
#include <gtest/gtest.h>

#include <array>

#include "peft/kernels/cuda_table.h"
#include "peft/util/error.h"

namespace peft {
namespace {

TEST(Segments, LieOneAfterTheOther) {
  const std::array<int64_t, 3> lengths{2, 0, 5};
  const Segments segments = make_segments(lengths, at::kCPU);
  EXPECT_EQ(segments.bounds, (std::vector<int64_t>{0, 2, 2, 7}));
  EXPECT_TRUE(segments.offsets.equal(at::tensor({0, 2, 2, 7}, at::kInt)));
  EXPECT_EQ(segments.longest, 5);
  EXPECT_EQ(segments.count(), 3);
  EXPECT_EQ(segments.length(2), 5);
  EXPECT_EQ(segments.total(), 7);
}

TEST(Segments, MayBeNone) {
  const Segments segments = make_segments({}, at::kCPU);
  EXPECT_EQ(segments.count(), 0);
  EXPECT_EQ(segments.total(), 0);
}

TEST(CudaTable, IsNoneUntilAPlugInIsLoaded) {
  EXPECT_EQ(cuda_table(), nullptr);
}

TEST(CudaTable, OfAnotherVersionIsRefused) {
  CudaTable other{};
  other.version = CudaTable::kVersion + 1;
  try {
    set_cuda_table(&other);
    FAIL() << "expected a UsageError";
  } catch (const UsageError& error) {
    EXPECT_STREQ(
        error.what(),
        "libpeft_cuda.so: expected interface version 1, found 2; build both libraries from "
        "one source");
  }
  EXPECT_EQ(cuda_table(), nullptr);
}

}  // namespace
}  // namespace peft
