#include "peft/kernels/attention.h"

#include "compare.h"

namespace peft {
namespace {

using Lengths = std::vector<int64_t>;

struct Shape {
  int64_t heads = 4;
  int64_t kv_heads = 2;
  int64_t width = 16;
};

void expect_same_apart(const Lengths& queries, const Lengths& keys, const AttentionOptions& options,
                       const Shape& shape = {}, at::ScalarType dtype = at::kFloat,
                       double tolerance = 1e-5) {
  const Segments qs = make_segments(queries, at::kCPU);
  const Segments ks = make_segments(keys, at::kCPU);
  expect_same_function(
      [&](const auto& in) { return attention(in[0], in[1], in[2], qs, ks, options); },
      [&](const auto& in) { return attention_reference(in[0], in[1], in[2], qs, ks, options); },
      {normal({qs.total(), shape.heads, shape.width}, 1, dtype),
       normal({ks.total(), shape.kv_heads, shape.width}, 2, dtype),
       normal({ks.total(), shape.kv_heads, shape.width}, 3, dtype)},
      tolerance, tolerance);
}

void expect_same(const Lengths& lengths, const AttentionOptions& options = {},
                 const Shape& shape = {}) {
  expect_same_apart(lengths, lengths, options, shape);
}

TEST(Attention, MixesTheValuesThatAQuerySees) {
  const Segments one = make_segments(Lengths{2}, at::kCPU);
  const Tensor q = at::zeros({2, 1, 2});  // equal scores
  const Tensor v = values({1, 2, 3, 6}, {2, 1, 2});
  expect_close(attention(q, q, v, one, one), values({1, 2, 2, 4}, {2, 1, 2}));
}

TEST(Attention, KeepsSegmentsApart) {
  expect_same({5, 1, 33, 33, 33, 2});
  expect_same({256, 256});
}

TEST(Attention, TakesEmptySegmentsAndNone) {
  expect_same({0, 4, 0, 0, 3});
  expect_same({0});
  const Segments none = make_segments({}, at::kCPU);
  const Tensor nothing = at::empty({0, 2, 8});
  EXPECT_EQ(attention(nothing, nothing, nothing, none, none).sizes(), nothing.sizes());
}

TEST(Attention, TakesOneHeadAllHeadsAndOddSizes) {
  expect_same({19, 3}, {}, {.heads = 1, .kv_heads = 1, .width = 8});
  expect_same({19, 3}, {}, {.heads = 6, .kv_heads = 6, .width = 24});
  expect_same({19, 3}, {}, {.heads = 9, .kv_heads = 3, .width = 7});
}

TEST(Attention, SeesEverythingWhereNotCausal) {
  expect_same({7, 40}, {.causal = false});
  expect_same_apart({3, 5}, {9, 2}, {.causal = false});
}

TEST(Attention, AlignsQueriesToTheEndOfTheKeys) {
  expect_same_apart({1, 1, 1}, {9, 4, 4}, {});
  expect_same_apart({5, 130}, {12, 200}, {});
}

TEST(Attention, GivesZerosToQueriesBeforeTheFirstKey) {
  expect_same_apart({5, 3}, {2, 0}, {});
  const Segments qs = make_segments(Lengths{3}, at::kCPU);
  const Segments ks = make_segments(Lengths{1}, at::kCPU);
  const Tensor k = at::ones({1, 1, 4});
  const Tensor out = attention(at::ones({3, 1, 4}), k, k, qs, ks);
  expect_close(out.sum({1, 2}), values({0, 0, 4}, {3}));
}

TEST(Attention, SlidesItsWindow) {
  expect_same({10, 3}, {.window = 4});
  expect_same({10, 3}, {.window = 1});
  expect_same({300, 77}, {.window = 50});
  expect_same({300}, {.window = 300});
  expect_same_apart({40}, {60}, {.window = 7});
  expect_same_apart({1, 1}, {60, 3}, {.window = 7});
  expect_same({40}, {.causal = false, .window = 7});
}

TEST(Attention, ScalesAndCapsScores) {
  expect_same({11, 4}, {.scale = 0.3});
  expect_same({11, 4}, {.softcap = 1.5});
  expect_same_apart({11}, {15}, {.window = 6, .softcap = 1.5});
  expect_same({150, 3, 150}, {.scale = 0.3, .softcap = 1.5});
  expect_same_apart({1, 5, 3}, {9, 2, 0}, {.softcap = 1.5});
}

TEST(Attention, TakesViewsOfAFusedProjection) {
  const Segments segments = make_segments(Lengths{6, 14}, at::kCPU);
  const Tensor fused = normal({20, 8, 16}, 1);  // 4 query, 2 key, 2 value heads
  const std::vector<Tensor> views{fused.narrow(1, 0, 4), fused.narrow(1, 4, 2),
                                  fused.narrow(1, 6, 2)};
  expect_same_function(
      [&](const auto& in) { return attention(in[0], in[1], in[2], segments, segments); },
      [&](const auto& in) { return attention_reference(in[0], in[1], in[2], segments, segments); },
      views);
}

TEST(Attention, AgreesInFloat64) {
  expect_same_apart({9, 130}, {9, 150}, {.window = 20}, {}, at::kDouble, /*tolerance=*/1e-10);
}

TEST(Attention, ComputesBfloat16InFloat32) {
  // The gradients of both round to bfloat16's 8 bits on the way.
  expect_same_apart({9, 5}, {9, 5}, {}, {}, at::kBFloat16, /*tolerance=*/3e-2);
}

TEST(Attention, LeavesUnusedGradientsOut) {
  const Segments segments = make_segments(Lengths{4}, at::kCPU);
  const Tensor q = normal({4, 2, 8}, 1);
  EXPECT_FALSE(attention(q, q, q, segments, segments).requires_grad());
  const Tensor v = trained(q);
  torch::autograd::backward({attention(q, q, v, segments, segments).sum()});
  EXPECT_TRUE(v.grad().defined());
}

}  // namespace
}  // namespace peft
