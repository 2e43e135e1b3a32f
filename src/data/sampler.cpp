#include "peft/data/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

namespace peft {
namespace {

/// The finaliser of SplitMix64 (Steele, Lea and Flood 2014): a bijection that mixes all bits.
uint64_t mixed(uint64_t value) {
  value += 0x9E3779B97F4A7C15u;
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9u;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EBu;
  return value ^ (value >> 31);
}

/// Random numbers by position: the i-th number of stream (seed, stream). No standard distribution
/// takes part, because those differ between libraries.
class CounterStream {
 public:
  CounterStream(uint64_t seed, uint64_t stream) : key_(mixed(mixed(seed) ^ stream)) {}

  /// Uniform in [0, bound); values in the uneven rest of 2^64 are drawn again.
  uint64_t below(uint64_t bound) {
    const uint64_t largest = std::numeric_limits<uint64_t>::max();
    const uint64_t rest = (largest % bound + 1) % bound;
    uint64_t bits = next();
    while (bits > largest - rest) {
      bits = next();
    }
    return bits % bound;
  }

 private:
  uint64_t next() { return mixed(key_ ^ mixed(counter_++)); }

  uint64_t key_;
  uint64_t counter_ = 0;
};

constexpr size_t kRowsPerWindow = 4096;
constexpr double kPacksPerWindow = 100;

/// Stream numbers: an epoch's shuffle, and the draw of each file's fraction.
uint64_t shuffle_stream(int64_t epoch) {
  return static_cast<uint64_t>(epoch) << 16;
}
uint64_t fraction_stream(int64_t epoch, size_t file) {
  return (static_cast<uint64_t>(epoch) << 16) + 1 + file;
}

std::vector<int64_t> lengths_of(const Dataset& dataset) {
  std::vector<int64_t> lengths;
  lengths.reserve(dataset.examples.size());
  for (const Example& example : dataset.examples) {
    lengths.push_back(static_cast<int64_t>(example.ids.size()));
  }
  return lengths;
}

void append(std::vector<size_t>& target, const std::vector<size_t>& rows) {
  target.insert(target.end(), rows.begin(), rows.end());
}

}  // namespace

std::vector<size_t> permutation(size_t count, uint64_t seed, uint64_t stream) {
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), size_t{0});
  CounterStream random(seed, stream);
  for (size_t i = count; i > 1; --i) {
    std::swap(order[i - 1], order[random.below(i)]);
  }
  return order;
}

std::vector<Example> split_off(Dataset& dataset, double ratio, uint64_t seed) {
  std::vector<Example>& all = dataset.examples;
  const auto count = static_cast<size_t>(static_cast<double>(all.size()) * ratio);
  std::vector<bool> chosen(all.size(), false);
  const std::vector<size_t> order = permutation(all.size(), seed, /*stream=*/~uint64_t{0});
  for (size_t i = 0; i < count; ++i) {
    chosen[order[i]] = true;
  }
  std::vector<Example> kept;
  std::vector<Example> taken;
  for (size_t i = 0; i < all.size(); ++i) {
    (chosen[i] ? taken : kept).push_back(std::move(all[i]));
  }
  all = std::move(kept);
  return taken;
}

Sampler::Sampler(std::vector<int64_t> lengths, const SamplerOptions& options)
    : lengths_(std::move(lengths)), weights_{1.0}, options_(options) {
  check<UsageError>(options.packing == "none" || options.packing == "bfd",
                    "data.packing: expected none or bfd, found \"{}\"", options.packing);
  check<UsageError>(options.batch_size > 0 && options.accumulation > 0 && options.max_length > 0,
                    "training: batch size, accumulation and data.max_length must be positive");
  sources_.emplace_back(lengths_.size());
  std::iota(sources_[0].begin(), sources_[0].end(), size_t{0});
}

Sampler::Sampler(const Dataset& dataset, const SamplerOptions& options)
    : Sampler(lengths_of(dataset), options) {
  if (dataset.weights.empty()) {
    return;
  }
  sources_.assign(dataset.weights.size(), {});
  weights_ = dataset.weights;
  for (size_t i = 0; i < dataset.examples.size(); ++i) {
    sources_.at(static_cast<size_t>(dataset.examples[i].file)).push_back(i);
  }
}

std::vector<size_t> Sampler::order(int64_t epoch) const {
  std::vector<size_t> rows;
  for (size_t file = 0; file < sources_.size(); ++file) {
    const std::vector<size_t>& source = sources_[file];
    const double whole = std::floor(weights_[file]);
    for (int64_t copy = 0; copy < static_cast<int64_t>(whole); ++copy) {
      append(rows, source);
    }
    const double fraction = (weights_[file] - whole) * static_cast<double>(source.size());
    std::vector<size_t> drawn =
        permutation(source.size(), options_.seed, fraction_stream(epoch, file));
    drawn.resize(static_cast<size_t>(std::llround(fraction)));
    std::sort(drawn.begin(), drawn.end());
    for (const size_t place : drawn) {
      rows.push_back(source[place]);
    }
  }
  if (!options_.shuffle) {
    return rows;
  }
  std::vector<size_t> order = permutation(rows.size(), options_.seed, shuffle_stream(epoch));
  for (size_t& place : order) {
    place = rows[place];
  }
  return order;
}

Groups Sampler::packs(int64_t epoch) const {
  if (options_.packing == "none") {
    return {};
  }
  const std::vector<size_t> rows = order(epoch);
  return pack_best_fit(lengths_, rows, options_.max_length, window_of(rows));
}

/// Rows that are packed together: enough that the last pack, which is seldom full, does not count.
size_t Sampler::window_of(const std::vector<size_t>& rows) const {
  if (options_.window > 0) {
    return options_.window;
  }
  int64_t tokens = 0;
  for (const size_t row : rows) {
    tokens += lengths_[row];
  }
  const double rows_per_pack = static_cast<double>(options_.max_length) *
                               static_cast<double>(rows.size()) /
                               static_cast<double>(std::max<int64_t>(1, tokens));
  return std::max(kRowsPerWindow, static_cast<size_t>(kPacksPerWindow * rows_per_pack));
}

Groups Sampler::batches(int64_t epoch) const {
  if (options_.packing == "none") {
    return pack_none(order(epoch), static_cast<size_t>(options_.batch_size));
  }
  return group(packs(epoch));
}

Groups Sampler::group(const Groups& packs) const {
  Groups batches;
  for (size_t i = 0; i < packs.size(); ++i) {
    if (i % static_cast<size_t>(options_.batch_size) == 0) {
      batches.emplace_back();
    }
    append(batches.back(), packs[i]);
  }
  return batches;
}

double Sampler::efficiency(int64_t epoch) const {
  return packing_efficiency(lengths_, packs(epoch), options_.max_length);
}

int64_t Sampler::steps(int64_t epoch) const {
  const auto count = static_cast<int64_t>(batches(epoch).size());
  return (count + options_.accumulation - 1) / options_.accumulation;
}

BatchPlan::BatchPlan(const Sampler& sampler, double epochs, std::optional<int64_t> max_steps)
    : sampler_(sampler), first_steps_{0} {
  const bool by_steps = max_steps && *max_steps >= 0;
  for (int64_t epoch = 0;
       by_steps ? total_steps_ < *max_steps : static_cast<double>(epoch) < epochs; ++epoch) {
    const int64_t steps = sampler.steps(epoch);
    if (steps == 0) {
      break;
    }
    first_steps_.push_back(first_steps_.back() + steps);
    const double share = by_steps ? 1.0 : std::min(1.0, epochs - static_cast<double>(epoch));
    total_steps_ += static_cast<int64_t>(std::ceil(share * static_cast<double>(steps) - 1e-9));
  }
  if (by_steps) {
    total_steps_ = std::min(total_steps_, *max_steps);
  }
}

double BatchPlan::epochs_after(int64_t step) const {
  for (size_t epoch = 0; epoch + 1 < first_steps_.size(); ++epoch) {
    if (step < first_steps_[epoch + 1]) {
      return static_cast<double>(epoch) +
             static_cast<double>(step - first_steps_[epoch]) /
                 static_cast<double>(first_steps_[epoch + 1] - first_steps_[epoch]);
    }
  }
  return static_cast<double>(first_steps_.size() - 1);
}

const PlannedStep& BatchPlan::step(int64_t step) {
  const auto next = std::upper_bound(first_steps_.begin(), first_steps_.end(), step);
  const int64_t epoch = next - first_steps_.begin() - 1;
  if (epoch != cached_epoch_) {
    cached_batches_ = sampler_.batches(epoch);
    cached_epoch_ = epoch;
  }
  const auto accumulation = static_cast<size_t>(sampler_.options().accumulation);
  const size_t begin =
      static_cast<size_t>(step - first_steps_[static_cast<size_t>(epoch)]) * accumulation;
  const size_t end = std::min(cached_batches_.size(), begin + accumulation);
  current_.epoch = epoch;
  current_.ends_epoch = end == cached_batches_.size();
  current_.micro_batches.assign(cached_batches_.begin() + static_cast<std::ptrdiff_t>(begin),
                                cached_batches_.begin() + static_cast<std::ptrdiff_t>(end));
  return current_;
}

}  // namespace peft
