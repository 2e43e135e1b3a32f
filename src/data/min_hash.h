#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace peft {

inline constexpr size_t kMinHashes = 128;

/// The least of each of 128 hashes over a row's runs of five tokens (Broder 1997); a shorter row is
/// one run.
using MinHashes = std::array<uint32_t, kMinHashes>;
MinHashes min_hashes(std::span<const int32_t> ids);

/// Share of hashes that agree: an estimate of the share of runs that two rows have in common
/// (Jaccard), within 0.04.
double agreement(const MinHashes& a, const MinHashes& b);

/// One number for `width` of the hashes, from `band * width` on: rows that share much have some
/// band in common.
uint64_t band_key(const MinHashes& hashes, size_t band, size_t width);

}  // namespace peft
