#include "peft/report/chart.h"

#include <gtest/gtest.h>

#include <cmath>

namespace peft {
namespace {

size_t count(const std::string& text, const std::string& part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++found;
  }
  return found;
}

TEST(RoundTicks, AreRoundNumbersInsideTheRange) {
  EXPECT_EQ(round_ticks(0.0, 10.0, 5), (std::vector<double>{0, 2, 4, 6, 8, 10}));
  EXPECT_EQ(round_ticks(3.0, 17.0, 3), (std::vector<double>{5, 10, 15}));
  EXPECT_TRUE(round_ticks(1.0, 1.0, 5).empty());
}

TEST(LineChart, DrawsACurve) {
  const std::string chart = line_chart("loss", {{"training", {{1, 2.0}, {2, 1.0}, {3, 1.5}}}});
  EXPECT_NE(chart.find("<figcaption>loss</figcaption>"), std::string::npos);
  EXPECT_EQ(count(chart, "<path"), 1u);
  EXPECT_NE(chart.find("d=\"M76.0 12.0L351.0 230.0L626.0 121.0\""), std::string::npos) << chart;
  EXPECT_EQ(count(chart, "legend"), 0u);
}

TEST(LineChart, NamesItsCurvesWhenThereAreSeveral) {
  const std::string chart = line_chart(
      "loss", {{"training", {{1, 2.0}, {2, 1.0}}}, {"held <out>", {{2, 1.5}}, /*marks=*/true}});
  EXPECT_NE(chart.find("<span class=\"series-1\">held &lt;out&gt;</span>"), std::string::npos);
  EXPECT_EQ(count(chart, "<circle"), 1u);
}

TEST(LineChart, LeavesAGapWhereANumberIsNotFinite) {
  const std::string chart =
      line_chart("loss", {{"a", {{1, 1}, {2, NAN}, {3, 2}, {4, INFINITY}, {5, 1}}}});
  EXPECT_EQ(count(chart, "M"), 3u);
  EXPECT_EQ(chart.find("nan"), std::string::npos);
  EXPECT_EQ(chart.find("inf"), std::string::npos);
}

TEST(LineChart, KeepsThePeaksOfALongCurve) {
  ChartSeries series{"a", {}};
  for (int i = 0; i < 100000; ++i) {
    series.points.push_back({static_cast<double>(i), i == 54321 ? 9.0 : 1.0});
  }
  const std::string chart = line_chart("a", {series});
  EXPECT_LT(chart.size(), 20000u);
  EXPECT_NE(chart.find(" 12.0L"), std::string::npos);  // the top of the drawing
}

TEST(LineChart, DrawsAFlatLineInTheMiddle) {
  EXPECT_NE(line_chart("a", {{"a", {{1, 5}, {2, 5}}}}).find("M76.0 121.0L626.0 121.0"),
            std::string::npos);
}

TEST(LineChart, IsEmptyWithoutACurve) {
  EXPECT_EQ(line_chart("a", {{"a", {{1, 1}}}}), "");
  EXPECT_EQ(line_chart("a", {}), "");
}

}  // namespace
}  // namespace peft
