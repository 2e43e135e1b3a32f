#pragma once

#include <span>

#include "peft/data/example.h"
#include "peft/data/packing.h"
#include "peft/models/batch.h"

namespace peft {

/// The batch of one micro-step. Its dropout keys are a function of the seed, the step, the row's
/// place in the whole step and the token's place in its row, so a mask does not depend on how a
/// step is cut. `first_row` is the place of the first of `rows`; steps count from 0.
Batch micro_batch(std::span<const Example> examples, std::span<const size_t> rows, uint64_t seed,
                  int64_t step, int64_t first_row);

/// Cuts every micro-batch of a step into at most `parts` with about as many rows each.
Groups cut_in_parts(const Groups& micro_batches, int64_t parts);

/// A number that tells the rows of a step and their order.
uint64_t rows_hash(std::span<const Example> examples, const Groups& micro_batches);

/// The planned micro-batch with the most tokens. Run once before the first step, it finds out at
/// once whether memory is too small.
std::vector<size_t> largest_rows(std::span<const Example> examples, const Groups& planned);

}  // namespace peft
