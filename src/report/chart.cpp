#include "peft/report/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "peft/report/html.h"
#include "peft/util/text.h"

namespace peft {
namespace {

constexpr double kWidth = 640;
constexpr double kHeight = 260;
constexpr double kLeft = 76;
constexpr double kRight = 14;
constexpr double kTop = 12;
constexpr double kBottom = 30;
constexpr size_t kMostPoints = 600;
constexpr int kTicksAcross = 6;
constexpr int kTicksUp = 5;

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  void take(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  /// A flat line lies in the middle.
  void open() {
    if (!(high > low)) {
      const double room = std::abs(low) > 0.0 ? 0.1 * std::abs(low) : 1.0;
      low -= room;
      high += room;
    }
  }
};

bool is_drawn(const ChartPoint& point) {
  return std::isfinite(point.x) && std::isfinite(point.y);
}

/// The lowest and the highest point of each of a few hundred stretches.
std::vector<ChartPoint> thinned(const std::vector<ChartPoint>& points) {
  if (points.size() <= kMostPoints) {
    return points;
  }
  std::vector<ChartPoint> kept;
  const size_t stretch = (2 * points.size() + kMostPoints - 1) / kMostPoints;
  for (size_t begin = 0; begin < points.size(); begin += stretch) {
    const auto first = points.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto last =
        points.begin() + static_cast<std::ptrdiff_t>(std::min(begin + stretch, points.size()));
    const auto [low, high] = std::minmax_element(
        first, last, [](const ChartPoint& a, const ChartPoint& b) { return a.y < b.y; });
    kept.push_back(low < high ? *low : *high);
    if (low != high) {
      kept.push_back(low < high ? *high : *low);
    }
  }
  return kept;
}

std::string label(double value, ChartUnit unit) {
  if (unit == ChartUnit::kBytes) {
    return human_bytes(static_cast<int64_t>(std::llround(value)));
  }
  const double size = std::abs(value);
  if (size != 0.0 && (size < 1e-3 || size >= 1e6)) {
    return fmt::format("{:.1e}", value);
  }
  return fmt::format("{:.6g}", value);
}

/// Maps numbers to the drawing.
class Frame {
 public:
  Frame(Range x, Range y) : x_(x), y_(y) {}

  double across(double value) const {
    return kLeft + (value - x_.low) / (x_.high - x_.low) * (kWidth - kLeft - kRight);
  }
  double down(double value) const {
    return kHeight - kBottom - (value - y_.low) / (y_.high - y_.low) * (kHeight - kTop - kBottom);
  }

  std::string axes(ChartUnit unit) const {
    std::string text;
    for (const double tick : round_ticks(y_.low, y_.high, kTicksUp)) {
      text += fmt::format(
          "<line class=\"grid\" x1=\"{:.1f}\" x2=\"{:.1f}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/>"
          "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>",
          kLeft, kWidth - kRight, down(tick), down(tick), kLeft - 8, down(tick) + 4,
          html_text(label(tick, unit)));
    }
    for (const double tick : round_ticks(x_.low, x_.high, kTicksAcross)) {
      text += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{}</text>",
                          across(tick), kHeight - 10, html_text(label(tick, ChartUnit::kNumber)));
    }
    return text;
  }

  std::string curve(const ChartSeries& series, size_t index) const {
    std::string path;
    std::string dots;
    bool pen_down = false;
    for (const ChartPoint& point : thinned(series.points)) {
      if (!is_drawn(point)) {
        pen_down = false;
        continue;
      }
      path += fmt::format("{}{:.1f} {:.1f}", pen_down ? "L" : "M", across(point.x), down(point.y));
      pen_down = true;
      if (series.marks) {
        dots += fmt::format(
            "<circle class=\"series-{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3.5\">"
            "<title>{}: {}</title></circle>",
            index, across(point.x), down(point.y), html_text(label(point.x, ChartUnit::kNumber)),
            html_text(label(point.y, ChartUnit::kNumber)));
      }
    }
    return fmt::format("<path class=\"series-{}\" d=\"{}\"/>{}", index, path, dots);
  }

 private:
  Range x_, y_;
};

std::string legend(const std::vector<ChartSeries>& series) {
  if (series.size() < 2) {
    return "";
  }
  std::string text = "<p class=\"legend\">";
  for (size_t i = 0; i < series.size(); ++i) {
    text += fmt::format("<span class=\"series-{}\">{}</span>", i, html_text(series[i].name));
  }
  return text + "</p>";
}

}  // namespace

std::vector<double> round_ticks(double low, double high, int count) {
  const double rough = (high - low) / count;
  if (!(rough > 0.0) || !std::isfinite(rough)) {
    return {};
  }
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  const double lead = rough / power;
  const double step = (lead <= 1.0 ? 1.0 : lead <= 2.0 ? 2.0 : lead <= 5.0 ? 5.0 : 10.0) * power;
  std::vector<double> ticks;
  const double first = std::ceil(low / step - 1e-9);
  for (double i = first; i * step <= high + 1e-9 * step; ++i) {
    ticks.push_back(i == 0.0 ? 0.0 : i * step);
  }
  return ticks;
}

std::string line_chart(const std::string& title, const std::vector<ChartSeries>& series,
                       ChartUnit unit) {
  Range x;
  Range y;
  size_t drawn = 0;
  std::vector<ChartSeries> shown;
  for (const ChartSeries& each : series) {
    const size_t before = drawn;
    for (const ChartPoint& point : each.points) {
      if (is_drawn(point)) {
        x.take(point.x);
        y.take(point.y);
        ++drawn;
      }
    }
    if (drawn > before) {
      shown.push_back(each);
    }
  }
  if (drawn < 2) {
    return "";
  }
  x.open();
  y.open();
  const Frame frame(x, y);
  std::string text = fmt::format(
      "<figure><figcaption>{}</figcaption>{}<svg viewBox=\"0 0 {} {}\" role=\"img\" "
      "aria-label=\"{}\">{}",
      html_text(title), legend(shown), kWidth, kHeight, html_text(title), frame.axes(unit));
  for (size_t i = 0; i < shown.size(); ++i) {
    text += frame.curve(shown[i], i);
  }
  return text + "</svg></figure>\n";
}

}  // namespace peft
