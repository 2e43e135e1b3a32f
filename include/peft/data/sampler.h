#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "peft/data/dataset.h"
#include "peft/data/packing.h"

namespace peft {

/// A permutation of 0 ... count - 1 that depends on nothing but its arguments: Fisher-Yates over
/// the counter-based stream (seed, stream).
std::vector<size_t> permutation(size_t count, uint64_t seed, uint64_t stream);

/// Takes a share of the examples out of a data set, drawn with the seed: data.eval_split_ratio.
std::vector<Example> split_off(Dataset& dataset, double ratio, uint64_t seed);

/// How rows are ordered and grouped.
struct SamplerOptions {
  std::string packing = "none";  ///< none, bfd
  int64_t batch_size = 1;        ///< per_device_train_batch_size: rows, with bfd packs
  int64_t max_length = 2048;     ///< tokens of a pack
  int64_t accumulation = 1;      ///< micro-batches of an optimizer step
  uint64_t seed = 42;
  bool shuffle = true;
  size_t window = 0;  ///< rows that are packed together; 0: 4096, more where these are few packs
};

/// The order of examples, epoch by epoch. A pure function of its arguments: resuming needs a step
/// number and nothing else.
class Sampler {
 public:
  /// `lengths` in tokens, by example. Throws UsageError for an unknown packing.
  Sampler(std::vector<int64_t> lengths, const SamplerOptions& options);
  /// A mixture: each file's examples are drawn `weight` times an epoch (2.5: twice, and a seeded
  /// half of them once more).
  Sampler(const Dataset& dataset, const SamplerOptions& options);

  /// Example indices in the order of an epoch (from 0).
  std::vector<size_t> order(int64_t epoch) const;
  /// Packs of an epoch; empty unless packing is on.
  Groups packs(int64_t epoch) const;
  /// Micro-batches of an epoch.
  Groups batches(int64_t epoch) const;
  /// Share of token slots used by the packs of an epoch; 1 without packing.
  double efficiency(int64_t epoch) const;
  /// Optimizer steps of an epoch: windows of `accumulation` micro-batches, the last may be shorter.
  int64_t steps(int64_t epoch) const;

  const SamplerOptions& options() const { return options_; }

 private:
  Groups group(const Groups& packs) const;
  size_t window_of(const std::vector<size_t>& rows) const;

  std::vector<int64_t> lengths_;
  std::vector<std::vector<size_t>> sources_;  // example indices by file
  std::vector<double> weights_;               // by file
  SamplerOptions options_;
};

/// One optimizer step: what it reads.
struct PlannedStep {
  int64_t epoch = 0;  ///< from 0
  bool ends_epoch = false;
  Groups micro_batches;  ///< example indices
};

/// All optimizer steps of a run. Borrows the sampler.
class BatchPlan {
 public:
  /// `max_steps` wins over `epochs`, which may be a fraction (its steps are rounded up).
  BatchPlan(const Sampler& sampler, double epochs, std::optional<int64_t> max_steps);

  int64_t total_steps() const { return total_steps_; }
  /// Optimizer steps of the first epoch, for reports.
  int64_t steps_per_epoch() const { return first_steps_.size() > 1 ? first_steps_[1] : 0; }
  /// Epochs finished after `step` steps, as a fraction.
  double epochs_after(int64_t step) const;
  /// Step `step`, from 0. Steps in order cost one epoch's plan each epoch.
  const PlannedStep& step(int64_t step);

 private:
  const Sampler& sampler_;
  std::vector<int64_t> first_steps_;  // first step of each epoch, and one past the last epoch's
  int64_t total_steps_ = 0;
  int64_t cached_epoch_ = -1;
  Groups cached_batches_;
  PlannedStep current_;
};

}  // namespace peft
