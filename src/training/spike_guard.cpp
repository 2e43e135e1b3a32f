#include "peft/training/spike_guard.h"

#include <algorithm>
#include <cmath>

namespace peft {
namespace {

constexpr size_t kWindow = 64;
constexpr size_t kEnough = 20;
constexpr double kDeviations = 10.0;  // of a normal distribution, as MAD x 1.4826 estimates them
constexpr double kFactor = 1.5;       // and at least this far above the median

double median_of(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

int64_t SpikeGuard::add(double loss) {
  bool jumped = false;
  if (losses_.size() >= kEnough) {
    median_ = median_of(losses_);
    std::vector<double> distances;
    for (const double other : losses_) {
      distances.push_back(std::abs(other - median_));
    }
    const double limit =
        std::max(median_ + kDeviations * 1.4826 * median_of(distances), kFactor * median_);
    jumped = !(loss <= limit);
  }
  in_a_row_ = jumped ? in_a_row_ + 1 : 0;
  // Jumps belong to the window too: a run that stays on a higher level is usual after a while.
  losses_.push_back(loss);
  if (losses_.size() > kWindow) {
    losses_.erase(losses_.begin());
  }
  return in_a_row_;
}

Json SpikeGuard::to_json() const {
  return {{"losses", losses_}, {"in_a_row", in_a_row_}};
}

SpikeGuard SpikeGuard::from_json(const Json& json, const std::string& where) {
  SpikeGuard guard;
  JsonReader<IntegrityError> reader(json, where + ": spike_guard");
  reader.require("losses", guard.losses_);
  reader.require("in_a_row", guard.in_a_row_);
  reader.finish();
  return guard;
}

}  // namespace peft
