#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "peft/data/example.h"
#include "peft/data/packing.h"
#include "peft/methods/adapter.h"
#include "peft/training/optimizer.h"

namespace peft {

/// Finds tensors that nothing trains: within the first updates each must have had a gradient that
/// is not zero (at the first one LoRA's A has none, because B is zero).
class GradientGate {
 public:
  /// Rows of single tokens are not waited for: their tokens may come late.
  explicit GradientGate(const NamedTensors& trainable);

  /// Looks at the gradients of one update. After the third that changes anything, throws
  /// NumericError that names the tensors which never had one.
  void check_step(double learning_rate);
  bool is_open() const { return waiting_.empty(); }

 private:
  NamedTensors waiting_;
  int64_t steps_ = 0;
  int64_t updates_ = 0;  // of them, those that changed anything
};

/// Whether the rows can give a gradient to every projection: a row whose only scored token is its
/// second attends to one key, and no query or key projection matters there.
bool exercise_attention(std::span<const Example> examples, const Groups& micro_batches);

/// The base as it was when this was made, after the adapter took its place and before it trained.
class FrozenBase {
 public:
  /// `trainable`: what the adapter trains, tensors of the base among them.
  FrozenBase(const CausalLM& model, const NamedTensors& trainable);

  /// A hash of every tensor's name and bits, 64 hexadecimal digits.
  std::string identity() const;
  /// Throws IntegrityError that names the frozen tensors whose bits have changed.
  void check_unchanged() const;

 private:
  struct Entry {
    std::string name;
    uint64_t bits;
    bool frozen;
  };
  const CausalLM& model_;
  std::vector<Entry> entries_;
};

/// A hash of a tensor's bits; several gigabytes a second, and no defence against forgery.
uint64_t hash_of(const Tensor& tensor);

/// Share of the numbers with a gradient that an update left as they were: `before` and `after` it.
double lost_updates(const Tensor& before, const Tensor& after, const Tensor& gradients);

/// "" or what is odd about an adapter that sits on some layers more than on others.
std::string uneven_coverage(const NamedTensors& trainable);

/// Reads a saved adapter back and compares its tensors with what the adapter holds, bit by bit, and
/// the scales that its config means with those at work. Throws IoError that names a tensor, or
/// ModelError that names a module.
void check_read_back(const Adapter& adapter, const std::filesystem::path& folder);

}  // namespace peft
