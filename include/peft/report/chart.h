#pragma once

#include <string>
#include <vector>

namespace peft {

/// One point of a curve.
struct ChartPoint {
  double x = 0.0;
  double y = 0.0;
};

/// A curve with its name; the style class "series-N" of the page gives its colour.
struct ChartSeries {
  std::string name;
  std::vector<ChartPoint> points;
  bool marks = false;  ///< a dot at every point, for few of them
};

/// How the numbers of the vertical axis are written.
enum class ChartUnit { kNumber, kBytes };

/// A line chart as an <svg> element that scales with its container: axes with round ticks, one path
/// per series, a legend when there are several. Points that are not finite leave a gap. Curves of
/// many points are thinned so that every peak stays. Empty without two finite points.
std::string line_chart(const std::string& title, const std::vector<ChartSeries>& series,
                       ChartUnit unit = ChartUnit::kNumber);

/// Round numbers that divide [low, high] into about `count` parts: 1, 2 or 5 times a power of ten.
std::vector<double> round_ticks(double low, double high, int count);

}  // namespace peft
