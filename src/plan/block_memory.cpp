#include "peft/plan/block_memory.h"

#include <initializer_list>

namespace peft {
namespace {

class Block {
 public:
  Block(const ModelSizes& model, const AdapterSizes& adapter, const RunShape& run, int64_t layer)
      : model_(model),
        use_(adapter.blocks.at(static_cast<size_t>(layer))),
        drops_(adapter.drops_inputs),
        is_wide_(run.dtype == Dtype::kF32),
        size_(element_size(run.dtype)),
        // On a CPU attention computes narrow types in float32.
        attention_size_(run.on_gpu ? size_ : kFloat),
        hidden_(model.hidden),
        mlp_(model.mlp_width()),
        is_gated_(model.is_gated()),
        query_(model.query_width()),
        key_(model.key_width()) {}

  BlockMemory follow(bool flows) {
    attention(flows || use_.below);
    mlp();
    return {kept_, backward(), flows_};
  }

 private:
  void attention(bool flows) {
    flows = norm(flows);
    input_of({Place::kQuery, Place::kKey, Place::kValue, Place::kQueryKeyValue}, hidden_,
             /*again=*/flows && !model_.layer_norms);
    head_norm(flows || targets(Place::kQuery), query_);
    head_norm(flows || targets(Place::kKey), key_);
    flows_ = flows || targets(Place::kQuery) || targets(Place::kKey) || targets(Place::kValue) ||
             targets(Place::kQueryKeyValue) || use_.keys;
    if (flows_) {
      // Query, key, value and context; the logarithm of each head's sum.
      kept_ += attention_size_ * 2 * (query_ + key_) + kFloat * model_.heads;
    }
    input_of({Place::kAttentionOut}, query_, /*again=*/flows_);
    flows_ = flows_ || targets(Place::kAttentionOut) || use_.attention > 0;
    kept_ += kFloat * use_.attention;
    branch_norm();
  }

  void mlp() {
    flows_ = norm(flows_);
    input_of({Place::kMlpGate, Place::kMlpUp, Place::kMlpGateUp}, hidden_,
             /*again=*/flows_ && !model_.layer_norms);
    flows_ =
        flows_ || targets(Place::kMlpGate) || targets(Place::kMlpUp) || targets(Place::kMlpGateUp);
    kept_ += flows_ ? size_ * (is_gated_ ? 2 : 1) * mlp_ : 0;
    input_of({Place::kMlpDown}, mlp_, /*again=*/flows_ && is_gated_);
    flows_ = flows_ || targets(Place::kMlpDown) || use_.mlp > 0;
    kept_ += kFloat * use_.mlp;
    branch_norm();
  }

  void branch_norm() {
    if (model_.branch_norms) {
      flows_ = norm(flows_);
    }
  }

  bool targets(Place place) const { return use_.targets.count(place) > 0; }

  // A norm keeps its input and a statistic or two. Returns whether its output needs a gradient.
  bool norm(bool flows) {
    flows = flows || use_.norms;
    const bool widened = !is_wide_ && !model_.layer_norms;
    kept_ +=
        flows ? hidden_ * (widened ? kFloat : size_) + kFloat * (model_.layer_norms ? 2 : 1) : 0;
    return flows;
  }

  void head_norm(bool flows, int64_t width) {
    kept_ += model_.head_norms && flows ? width * kFloat + kFloat * model_.heads : 0;
  }

  // An adapted projection keeps its input and its inner product. In float32 the projections that
  // share an input share what is kept, and keep nothing if it can be made `again` and all of them
  // would; narrow types and dropped inputs are kept by each.
  void input_of(std::initializer_list<Place> places, int64_t width, bool again) {
    int64_t users = 0;
    for (const Place place : places) {
      if (const auto found = use_.targets.find(place); found != use_.targets.end()) {
        const TargetUse& use = found->second;
        users += use.input ? 1 : 0;
        again = again && use.repeats;
        kept_ += kFloat * use.numbers;
      }
    }
    const bool is_shared = is_wide_ && !drops_;
    const int64_t copies = is_shared ? (users > 0 && !again ? 1 : 0) : users;
    kept_ += copies * kFloat * width;
  }

  // The MLP's: the block's gradient, and those of the activation's output and inputs. In narrow
  // types the last projection's backward is the widest, with float32 copies.
  int64_t backward() const {
    if (!is_wide_) {
      return 6 * hidden_ + 8 * mlp_;
    }
    return kFloat * (hidden_ + (is_gated_ ? 3 : 1) * mlp_);
  }

  const ModelSizes& model_;
  const BlockUse& use_;
  bool drops_, is_wide_;
  int64_t size_, attention_size_;
  int64_t hidden_, mlp_;
  bool is_gated_;
  int64_t query_, key_;
  int64_t kept_ = 0;
  bool flows_ = false;
};

}  // namespace

BlockMemory block_memory(const ModelSizes& model, const AdapterSizes& adapter, const RunShape& run,
                         int64_t layer, bool flows) {
  return Block(model, adapter, run, layer).follow(flows);
}

}  // namespace peft
