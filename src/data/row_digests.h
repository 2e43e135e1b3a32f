#pragma once

#include <cstdint>
#include <unordered_map>
#include <unordered_set>

#include "peft/data/example.h"

namespace peft {

/// Remembers examples by 128 bits of their ids, labels and weights, to find those that come again.
/// Two different ones among a billion share a digest with a chance of 10^-21. A classifier's rows
/// are remembered with their label or number.
class RowDigests {
 public:
  /// True for an example that was there before.
  bool seen(const Example& example);
  /// True for an example whose ids were there before, the first time with another label or number.
  bool contradicts(const Example& example);

 private:
  struct Digest {
    uint64_t high = 0, low = 0;
    bool operator==(const Digest&) const = default;
  };
  struct LowBits {
    size_t operator()(const Digest& digest) const { return digest.low; }
  };
  static Digest digest_of(const Example& example, uint64_t target);

  std::unordered_set<Digest, LowBits> digests_;
  std::unordered_map<Digest, uint64_t, LowBits> targets_;  // of the first with these ids
};

}  // namespace peft
