#include "peft/nn/kv_cache.h"

#include "support/fixtures.h"

namespace peft {
namespace {

Tensor rows(std::vector<float> numbers) {
  return at::tensor(numbers).view({static_cast<int64_t>(numbers.size()), 1, 1});
}

TEST(KvCache, GivesAllKeysOfEverySequence) {
  KvCache cache(/*layers=*/1, /*sequences=*/2);
  Segments keys;
  const std::vector<int64_t> lengths = {2, 1};
  Segments step = make_segments(lengths, at::kCPU);
  Tensor k = rows({1, 2, 10});
  Tensor v = rows({-1, -2, -10});
  cache.extend(0, step, k, v, keys);
  cache.advance(step);
  const std::vector<int64_t> one = {1, 1};
  step = make_segments(one, at::kCPU);
  k = rows({3, 11});
  v = rows({-3, -11});
  cache.extend(0, step, k, v, keys);
  cache.advance(step);
  EXPECT_TRUE(at::equal(k, rows({1, 2, 3, 10, 11})));
  EXPECT_TRUE(at::equal(v, rows({-1, -2, -3, -10, -11})));
  EXPECT_EQ(keys.bounds, (std::vector<int64_t>{0, 3, 5}));

  cache.keep({1});
  EXPECT_EQ(cache.sequences(), 1);
  EXPECT_EQ(cache.length(0), 2);
}

}  // namespace
}  // namespace peft
