#include "peft/plan/block_memory.h"

#include <algorithm>
#include <map>

namespace peft {
namespace {

class Block {
 public:
  Block(const ModelSizes& model, const AdapterSizes& adapter, const RunShape& run, int64_t layer)
      : model_(model),
        drops_(adapter.drops_inputs),
        is_wide_(run.dtype == Dtype::kF32),
        size_(element_size(run.dtype)),
        // On a CPU attention computes narrow types in float32.
        attention_size_(run.on_gpu ? size_ : kFloat),
        hidden_(model.hidden),
        mlp_(model.width(Place::kMlpUp)),
        is_gated_(model.width(Place::kMlpGate) > 0) {
    const int64_t fused = model.width(Place::kQueryKeyValue) / 3;
    query_ = fused > 0 ? fused : model.width(Place::kQuery);
    key_ = fused > 0 ? fused : model.width(Place::kKey);
    for (const PlannedTarget& target : adapter.targets) {
      if (target.linear.layer == layer) {
        ranks_[target.linear.place] = target.rank;
      }
    }
  }

  BlockMemory follow(bool flows) {
    attention(flows);
    mlp();
    return {kept_, backward(), flows_};
  }

 private:
  void attention(bool flows) {
    norm(flows);
    input_of({Place::kQuery, Place::kKey, Place::kValue, Place::kQueryKeyValue}, hidden_,
             /*again=*/flows && !model_.layer_norms);
    head_norm(flows || targets(Place::kQuery), query_);
    head_norm(flows || targets(Place::kKey), key_);
    flows_ = flows || targets(Place::kQuery) || targets(Place::kKey) || targets(Place::kValue) ||
             targets(Place::kQueryKeyValue);
    if (flows_) {
      // Query, key, value and context; the logarithm of each head's sum.
      kept_ += attention_size_ * 2 * (query_ + key_) + kFloat * model_.heads;
    }
    input_of({Place::kAttentionOut}, query_, /*again=*/flows_);
    flows_ = flows_ || targets(Place::kAttentionOut);
  }

  void mlp() {
    norm(flows_);
    input_of({Place::kMlpGate, Place::kMlpUp}, hidden_, /*again=*/flows_ && !model_.layer_norms);
    flows_ = flows_ || targets(Place::kMlpGate) || targets(Place::kMlpUp);
    kept_ += flows_ ? size_ * (is_gated_ ? 2 : 1) * mlp_ : 0;
    input_of({Place::kMlpDown}, mlp_, /*again=*/flows_ && is_gated_);
    flows_ = flows_ || targets(Place::kMlpDown);
  }

  bool targets(Place place) const { return ranks_.count(place) > 0; }

  // A norm keeps its input and a statistic or two.
  void norm(bool flows) {
    const bool widened = !is_wide_ && !model_.layer_norms;
    kept_ +=
        flows ? hidden_ * (widened ? kFloat : size_) + kFloat * (model_.layer_norms ? 2 : 1) : 0;
  }

  void head_norm(bool flows, int64_t width) {
    kept_ += model_.head_norms && flows ? width * kFloat + kFloat * model_.heads : 0;
  }

  // An adapted projection keeps its input and its inner product. In float32 the projections that
  // share an input share what is kept, and keep nothing if it can be made `again`; narrow types and
  // dropped inputs are kept by each.
  void input_of(std::initializer_list<Place> places, int64_t width, bool again) {
    int64_t users = 0;
    for (const Place place : places) {
      if (targets(place)) {
        ++users;
        kept_ += kFloat * ranks_.at(place);
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
  bool drops_, is_wide_;
  int64_t size_, attention_size_;
  int64_t hidden_, mlp_;
  bool is_gated_;
  int64_t query_ = 0, key_ = 0;
  std::map<Place, int64_t> ranks_;
  int64_t kept_ = 0;
  bool flows_ = false;
};

}  // namespace

BlockMemory block_memory(const ModelSizes& model, const AdapterSizes& adapter, const RunShape& run,
                         int64_t layer, bool flows) {
  return Block(model, adapter, run, layer).follow(flows);
}

}  // namespace peft
