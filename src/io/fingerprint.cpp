#include "peft/io/fingerprint.h"

#include <algorithm>
#include <vector>

#include "peft/util/sha256.h"

namespace peft {
namespace {

constexpr uint64_t kSampleBytes = 4096;

}  // namespace

std::string fingerprint(const HfDirectory& directory) {
  Sha256 hash;
  std::vector<std::byte> sample;
  for (const auto& [name, info] : directory.tensors()) {
    const std::string header =
        fmt::format("{} {} ({})\n", name, dtype_name(info.dtype), fmt::join(info.shape, ", "));
    hash.update(std::as_bytes(std::span(header)));
    sample.resize(std::min(kSampleBytes, info.bytes));
    for (const uint64_t begin : {uint64_t{0}, info.bytes - sample.size()}) {
      directory.read(name, begin, sample);
      hash.update(sample);
    }
  }
  return hash.finish();
}

}  // namespace peft
