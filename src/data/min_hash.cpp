#include "min_hash.h"

#include <algorithm>
#include <limits>

namespace peft {
namespace {

constexpr size_t kRun = 5;  // tokens

uint64_t scrambled(uint64_t value) {  // the finaliser of splitmix64
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9u;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EBu;
  return value ^ (value >> 31);
}

}  // namespace

MinHashes min_hashes(std::span<const int32_t> ids) {
  MinHashes least;
  least.fill(std::numeric_limits<uint32_t>::max());
  const size_t length = std::min(kRun, ids.size());
  for (size_t begin = 0; begin + length <= ids.size(); ++begin) {
    uint64_t run = length;
    for (size_t i = 0; i < length; ++i) {
      run = scrambled(run ^ static_cast<uint32_t>(ids[begin + i]));
    }
    const uint64_t step = scrambled(run ^ 0x9E3779B97F4A7C15u);
    for (uint32_t& value : least) {
      run += step;  // double hashing: one pair of numbers serves all functions
      value = std::min(value, static_cast<uint32_t>(run >> 32));
    }
  }
  return least;
}

double agreement(const MinHashes& a, const MinHashes& b) {
  size_t same = 0;
  for (size_t i = 0; i < kMinHashes; ++i) {
    same += a[i] == b[i] ? 1 : 0;
  }
  return static_cast<double>(same) / kMinHashes;
}

uint64_t band_key(const MinHashes& hashes, size_t band, size_t width) {
  uint64_t key = band;
  for (size_t i = 0; i < width; ++i) {
    key = scrambled(key ^ hashes[band * width + i]);
  }
  return key;
}

}  // namespace peft
