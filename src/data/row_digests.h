#pragma once

#include <cstdint>
#include <unordered_set>

#include "peft/data/example.h"

namespace peft {

/// Remembers examples by 128 bits of their ids and labels, to find those that come again. Two
/// different ones among a billion share a digest with a chance of 10^-21.
class RowDigests {
 public:
  /// True for an example that was there before.
  bool seen(const Example& example);

 private:
  struct Digest {
    uint64_t high = 0, low = 0;
    bool operator==(const Digest&) const = default;
  };
  struct LowBits {
    size_t operator()(const Digest& digest) const { return digest.low; }
  };
  static Digest digest_of(const Example& example);

  std::unordered_set<Digest, LowBits> digests_;
};

}  // namespace peft
