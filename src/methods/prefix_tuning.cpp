// Prefix tuning: trained keys and values in front of every sequence's own, in every layer.
#include <ATen/ATen.h>

#include "methods.h"
#include "peft/methods/prompt_encoders.h"
#include "peft/methods/virtual_tokens.h"

namespace peft {
namespace {

/// Real tokens start at position P.
class PrefixPositions final : public InputHook {
 public:
  explicit PrefixPositions(int64_t count) : count_(count) {}
  int64_t positions() const override { return count_; }
  void forward(ModelInput& input) override {
    input.positions = input.positions + count_;
    input.segments.longest += count_;
  }

 private:
  int64_t count_;
};

/// K' = [K_P; K], V' = [V_P; V] for every sequence, K_P without rotation. Li & Liang 2021, equation
/// 3, in the form of P-tuning v2.
class PrefixKeys final : public AttentionHook {
 public:
  explicit PrefixKeys(VirtualTokenAdapter& adapter) : adapter_(adapter) {}

  void before_scores(const Attention& host, AttentionState& state) override {
    const AttentionShape& shape = host.shape();
    const int64_t count = adapter_.virtual_tokens();
    // Row i of the file: [layer][key, value][head][Dh].
    const Tensor rows = adapter_.rows().view({count, -1, shape.kv_heads, shape.head_dim});
    const Tensor k = rows.select(1, 2 * shape.layer).to(state.k.scalar_type());
    const Tensor v = rows.select(1, 2 * shape.layer + 1).to(state.v.scalar_type());
    std::vector<Tensor> keys;
    std::vector<Tensor> values;
    std::vector<int64_t> lengths;
    for (int64_t b = 0; b < state.keys.count(); ++b) {
      const int64_t begin = state.keys.bounds[static_cast<size_t>(b)];
      const int64_t length = state.keys.length(b);
      keys.insert(keys.end(), {k, state.k.narrow(0, begin, length)});
      values.insert(values.end(), {v, state.v.narrow(0, begin, length)});
      lengths.push_back(count + length);
    }
    state.k = at::cat(keys);
    state.v = at::cat(values);
    state.keys = make_segments(lengths, state.k.device());
  }

 private:
  VirtualTokenAdapter& adapter_;
};

class PrefixAdapter final : public VirtualTokenAdapter {
 public:
  PrefixAdapter(CausalLM& model, const Json& json, uint64_t seed)
      : VirtualTokenAdapter(model, json) {
    const AttentionShape& shape = model.attentions().front()->shape();
    const int64_t token_dim = shape.kv_heads * shape.head_dim;
    if (json_.at("encoder_hidden_size").is_null()) {
      json_["encoder_hidden_size"] = token_dim;
    }
    set_encoder(prefix_encoder(json_, token_dim, model.shape().layers,
                               model.head().weight().device(), seed),
                token_dim, shape.kv_heads);
    plug("", model.input_hook, std::make_shared<PrefixPositions>(virtual_tokens()));
    for (Attention* attention : model.attentions()) {
      plug("", attention->hook, std::make_shared<PrefixKeys>(*this));
    }
  }
};

}  // namespace

std::unique_ptr<Adapter> attach_prefix_tuning(CausalLM& model, const Json& config, uint64_t seed) {
  return std::make_unique<PrefixAdapter>(model, config, seed);
}

}  // namespace peft
