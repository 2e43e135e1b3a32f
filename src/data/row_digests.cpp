#include "row_digests.h"

#include <bit>

namespace peft {
namespace {

/// One round: xor, multiplication by an odd number, shift (after MurmurHash3's finaliser).
uint64_t stirred(uint64_t hash, uint64_t value, uint64_t odd) {
  hash = (hash ^ value) * odd;
  return hash ^ (hash >> 29);
}

/// What a classifier is to say of a row.
uint64_t target_of(const Example& example) {
  return static_cast<uint64_t>(std::bit_cast<uint32_t>(example.score)) << 32 |
         static_cast<uint32_t>(example.label);
}

}  // namespace

bool RowDigests::seen(const Example& example) {
  return !digests_.insert(digest_of(example, target_of(example))).second;
}

bool RowDigests::contradicts(const Example& example) {
  const uint64_t target = target_of(example);
  return targets_.emplace(digest_of(example, /*target=*/0), target).first->second != target;
}

RowDigests::Digest RowDigests::digest_of(const Example& example, uint64_t target) {
  Digest digest{example.ids.size() ^ target, ~example.ids.size() ^ target};
  for (size_t i = 0; i < example.ids.size(); ++i) {
    const uint64_t pair = static_cast<uint64_t>(static_cast<uint32_t>(example.ids[i])) << 32 |
                          static_cast<uint32_t>(example.labels[i]);
    digest.high = stirred(digest.high, pair, 0xFF51AFD7ED558CCDu);
    digest.low = stirred(digest.low, pair, 0xC4CEB9FE1A85EC53u);
  }
  for (const float weight : example.weights) {
    const auto bits = std::bit_cast<uint32_t>(weight);
    digest.high = stirred(digest.high, bits, 0xFF51AFD7ED558CCDu);
    digest.low = stirred(digest.low, bits, 0xC4CEB9FE1A85EC53u);
  }
  return digest;
}

}  // namespace peft
