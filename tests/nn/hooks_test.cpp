// The three sockets, each with the smallest hook that uses it.
#include "peft/nn/hooks.h"

#include "support/fixtures.h"

namespace peft {
namespace {

const std::vector<int32_t> kIds = {3, 14, 15, 9, 2, 6};

class DoublingLinear final : public LinearHook {
 public:
  Tensor forward(const Linear& host, const Tensor& x) override { return host.base(x) * 2; }
};

TEST(LinearSocket, LetsTheHookDecideTheResult) {
  const auto model = fixture_model("llama");
  Linear& linear = *model->projections().front().linear;
  const Tensor x = at::ones({2, linear.in_features()});
  const Tensor own = linear.forward(x);
  linear.hook.plug(std::make_shared<DoublingLinear>());
  EXPECT_TRUE(at::equal(linear.forward(x), own * 2));
  linear.hook.unplug();
  EXPECT_TRUE(at::equal(linear.forward(x), own));
}

TEST(LinearSocket, HoldsOneHook) {
  const auto model = fixture_model("llama");
  Linear& linear = *model->projections().front().linear;
  linear.hook.plug(std::make_shared<DoublingLinear>());
  EXPECT_THROW(linear.hook.plug(std::make_shared<DoublingLinear>()), std::exception);
}

/// Puts one key and value in front of every segment; the value is zero, so context only shrinks.
class ZeroPrefix final : public AttentionHook {
 public:
  void before_scores(const Attention&, AttentionState& state) override {
    std::vector<Tensor> k;
    std::vector<Tensor> v;
    std::vector<int64_t> lengths;
    for (int64_t b = 0; b < state.keys.count(); ++b) {
      const int64_t length = state.keys.length(b);
      k.push_back(at::zeros_like(state.k.narrow(0, 0, 1)));
      k.push_back(state.k.narrow(0, state.keys.bounds[b], length));
      v.push_back(at::zeros_like(state.v.narrow(0, 0, 1)));
      v.push_back(state.v.narrow(0, state.keys.bounds[b], length));
      lengths.push_back(length + 1);
    }
    state.k = at::cat(k);
    state.v = at::cat(v);
    state.keys = make_segments(lengths, state.k.device());
    keys_seen = state.keys.total();
  }
  Tensor after_context(const Attention&, const AttentionState&, const Tensor& context) override {
    return context + 0.5;
  }
  int64_t keys_seen = 0;
};

TEST(AttentionSocket, MayAddKeysAndContext) {
  const auto model = fixture_model("llama");
  const Tensor own = logits_of(*model, kIds);
  const auto hook = std::make_shared<ZeroPrefix>();
  model->attentions().front()->hook.plug(hook);
  EXPECT_FALSE(at::allclose(logits_of(*model, kIds), own));
  EXPECT_EQ(hook->keys_seen, static_cast<int64_t>(kIds.size()) + 1);
  model->attentions().front()->hook.unplug();
  EXPECT_TRUE(at::equal(logits_of(*model, kIds), own));
}

/// Scales the embeddings.
class ScaledInput final : public InputHook {
 public:
  void forward(ModelInput& input) override { input.embeddings = input.embeddings * 3; }
  int64_t positions() const override { return 0; }
};

TEST(InputSocket, MayChangeTheEmbeddings) {
  const auto model = fixture_model("gpt2");
  const Tensor own = logits_of(*model, kIds);
  model->input_hook.plug(std::make_shared<ScaledInput>());
  EXPECT_FALSE(at::allclose(logits_of(*model, kIds), own));
  model->input_hook.unplug();
  EXPECT_TRUE(at::equal(logits_of(*model, kIds), own));
}

}  // namespace
}  // namespace peft
