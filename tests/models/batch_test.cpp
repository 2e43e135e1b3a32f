#include "peft/models/batch.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace peft {
namespace {

std::vector<int64_t> numbers(const Tensor& tensor) {
  return {tensor.const_data_ptr<int64_t>(), tensor.const_data_ptr<int64_t>() + tensor.numel()};
}

TEST(Batch, PutsSequencesOneAfterTheOther) {
  const Example first{.ids = {5, 6, 7}, .labels = {kIgnored, 6, 7}};
  const Example second{.ids = {8, 9}, .labels = {8, 9}};
  const std::vector<const Example*> examples = {&first, &second};
  const Batch batch = make_batch(examples);
  EXPECT_EQ(numbers(batch.ids), (std::vector<int64_t>{5, 6, 7, 8, 9}));
  EXPECT_EQ(numbers(batch.positions), (std::vector<int64_t>{0, 1, 2, 0, 1}));
  EXPECT_EQ(batch.segments.bounds, (std::vector<int64_t>{0, 3, 5}));
}

TEST(Batch, ScoresNoRowAgainstItsNeighbour) {
  const Example first{.ids = {5, 6, 7}, .labels = {kIgnored, 6, 7}};
  const Example second{.ids = {8, 9}, .labels = {8, 9}};
  const std::vector<const Example*> examples = {&first, &second};
  const Batch batch = make_batch(examples);
  EXPECT_EQ(numbers(next_token_targets(batch.labels, batch.segments)),
            (std::vector<int64_t>{6, 7, kIgnored, 9, kIgnored}));
}

}  // namespace
}  // namespace peft
