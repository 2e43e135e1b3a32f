#include "peft/data/length_stats.h"

#include <gtest/gtest.h>

#include "peft/data/advice.h"

namespace peft {
namespace {

TEST(LengthStats, QuantilesAreLengthsThatOccur) {
  std::vector<int64_t> lengths;
  for (int64_t i = 100; i >= 1; --i) {
    lengths.push_back(i * 10);
  }
  const LengthStats stats = length_stats(lengths);
  EXPECT_EQ(stats.shortest, 10);
  EXPECT_EQ(stats.median, 500);
  EXPECT_EQ(stats.p90, 900);
  EXPECT_EQ(stats.p99, 990);
  EXPECT_EQ(stats.longest, 1000);
  EXPECT_EQ(stats.mean(), 505.0);
  EXPECT_EQ(length_stats({}).longest, 0);
}

TEST(LengthStats, BarsAreRoundAndTheLastTakesTheRest) {
  std::vector<int64_t> lengths(50, 5);
  lengths.insert(lengths.end(), 25, 21);
  lengths.insert(lengths.end(), 24, 40);
  lengths.push_back(3000);
  EXPECT_EQ(draw_histogram(length_histogram(lengths, /*bars=*/4), /*width=*/8),
            "        1 - 10                50  ████████\n"
            "       11 - 20                 0  \n"
            "       21 - 30                25  ████\n"
            "       31 - 40                24  ███▉\n"
            "       41 - 3,000              1  ▏\n");
}

TEST(Advice, RaisesALengthThatCutsMuch) {
  std::vector<int64_t> lengths(100, 500);
  EXPECT_EQ(advice(lengths, /*max_length=*/256, /*positions=*/4096, /*packs=*/false),
            std::vector<std::string>{"data.max_length=512: 256 cuts off 24,400 tokens (48.8 %)"});
  EXPECT_TRUE(advice(lengths, 256, /*positions=*/256, false).empty());
}

TEST(Advice, PacksShortRows) {
  EXPECT_EQ(advice(std::vector<int64_t>(100, 50), /*max_length=*/500, 4096, /*packs=*/false),
            std::vector<std::string>{
                "data.packing=bfd: 10 packs that are 100.0 % full instead of 100 rows of 50 "
                "tokens"});
  EXPECT_TRUE(advice(std::vector<int64_t>(100, 50), 500, 4096, /*packs=*/true).empty());
}

}  // namespace
}  // namespace peft
