#include "peft/training/micro_batch.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "peft/kernels/dropout.h"

namespace peft {
namespace {

Tensor dropout_keys(uint64_t seed, int64_t step, int64_t first_row, const Segments& segments) {
  Tensor keys = at::empty({segments.total()}, at::kLong);
  int64_t* key = keys.mutable_data_ptr<int64_t>();
  const int64_t step_key = mix_keys(static_cast<int64_t>(seed), step);
  for (int64_t b = 0; b < segments.count(); ++b) {
    const int64_t row_key = mix_keys(step_key, first_row + b);
    for (int64_t i = 0; i < segments.length(b); ++i) {
      *key++ = mix_keys(row_key, i);
    }
  }
  return keys;
}

}  // namespace

Batch micro_batch(std::span<const Example> examples, std::span<const size_t> rows, uint64_t seed,
                  int64_t step, int64_t first_row) {
  std::vector<const Example*> chosen;
  for (const size_t row : rows) {
    chosen.push_back(&examples[row]);
  }
  Batch batch = make_batch(chosen);
  batch.dropout_keys = dropout_keys(seed, step, first_row, batch.segments);
  return batch;
}

Groups cut_in_parts(const Groups& micro_batches, int64_t parts) {
  Groups cut;
  for (const std::vector<size_t>& rows : micro_batches) {
    const size_t count = std::min(rows.size(), static_cast<size_t>(parts));
    for (size_t part = 0; part < count; ++part) {
      const auto begin = rows.begin() + static_cast<std::ptrdiff_t>(rows.size() * part / count);
      const auto end = rows.begin() + static_cast<std::ptrdiff_t>(rows.size() * (part + 1) / count);
      cut.emplace_back(begin, end);
    }
  }
  return cut;
}

uint64_t rows_hash(std::span<const Example> examples, const Groups& micro_batches) {
  int64_t hash = 0;
  for (const std::vector<size_t>& rows : micro_batches) {
    for (const size_t row : rows) {
      hash = mix_keys(hash, examples[row].row);
    }
  }
  return static_cast<uint64_t>(hash);
}

std::vector<size_t> largest_rows(std::span<const Example> examples, const Groups& planned) {
  const auto tokens_of = [&](const std::vector<size_t>& rows) {
    size_t tokens = 0;
    for (const size_t row : rows) {
      tokens += examples[row].ids.size();
    }
    return tokens;
  };
  const auto largest =
      std::max_element(planned.begin(), planned.end(),
                       [&](const auto& a, const auto& b) { return tokens_of(a) < tokens_of(b); });
  return largest == planned.end() ? std::vector<size_t>() : *largest;
}

}  // namespace peft
