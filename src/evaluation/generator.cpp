#include "peft/evaluation/generator.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "peft/kernels/dropout.h"
#include "peft/util/error.h"
#include "peft/util/signals.h"

namespace peft {
namespace {

/// A number in [0, 1) that depends on its arguments alone.
double uniform(uint64_t seed, size_t prompt, size_t place) {
  const int64_t key = mix_keys(mix_keys(static_cast<int64_t>(seed), static_cast<int64_t>(prompt)),
                               static_cast<int64_t>(place));
  return static_cast<double>(static_cast<uint64_t>(key) >> 11) * 0x1.0p-53;
}

/// Draws from softmax(logits / temperature), cut to the nucleus of mass top_p (Holtzman et al.
/// 2020).
int32_t sample(const Tensor& logits, const GenerateOptions& options, double draw) {
  const Tensor probabilities =
      at::softmax(logits.to(at::kCPU, at::kDouble) / options.temperature, /*dim=*/-1);
  const auto [sorted, order] = probabilities.sort(/*dim=*/-1, /*descending=*/true);
  const double* p = sorted.const_data_ptr<double>();
  const int64_t* id = order.const_data_ptr<int64_t>();
  int64_t kept = 0;
  double mass = 0.0;
  while (kept < sorted.numel() && (kept == 0 || mass < options.top_p)) {
    mass += p[kept++];
  }
  double rest = draw * mass;
  for (int64_t i = 0; i < kept; ++i) {
    rest -= p[i];
    if (rest < 0.0) {
      return static_cast<int32_t>(id[i]);
    }
  }
  return static_cast<int32_t>(id[kept - 1]);
}

/// The prompts that are still being continued.
class Decoding {
 public:
  /// `first` is the index of the first of these prompts among all.
  Decoding(const CausalLM& model, const std::vector<Adapter*>& voices,
           const std::vector<std::vector<int32_t>>& prompts, size_t first,
           const GenerateOptions& options, at::Device device, const TokenSink& sink)
      : model_(model),
        voices_(voices),
        options_(options),
        device_(device),
        sink_(sink),
        first_(first),
        results_(prompts.size()),
        caches_(std::max<size_t>(1, voices.size()),
                KvCache(model.shape().layers, static_cast<int64_t>(prompts.size()))),
        prompts_(prompts),
        pending_(prompts),
        active_(prompts.size()) {
    std::iota(active_.begin(), active_.end(), size_t{0});
    for (const auto& prompt : prompts) {
      check<DataError>(!prompt.empty(), "the prompt has no tokens");
      check<DataError>(static_cast<int64_t>(prompt.size()) < model.longest_sequence(),
                       "the prompt has {} tokens, the model has {} positions", prompt.size(),
                       model.longest_sequence());
      positions_.push_back(0);
    }
  }

  std::vector<Generated> run() {
    while (!active_.empty()) {
      check_not_stopped();
      step();
    }
    return std::move(results_);
  }

 private:
  void step() {
    if (states_are_outgrown()) {
      start_again();
    }
    const Batch batch = make_batch(pending_, positions_).to(device_);
    if (voices_.empty()) {
      choose(next_logits(batch, caches_.front()));
      return;
    }
    Tensor sum;
    for (size_t i = 0; i < voices_.size(); ++i) {
      voices_[i]->resume();
      const Tensor probabilities = at::softmax(next_logits(batch, caches_[i]), /*dim=*/-1);
      voices_[i]->suspend();
      sum = sum.defined() ? sum.add_(probabilities) : probabilities;
    }
    choose((sum / static_cast<double>(voices_.size())).log_());
  }

  bool states_are_outgrown() const {
    for (size_t b = 0; b < active_.size(); ++b) {
      const int64_t after = positions_[b] + static_cast<int64_t>(pending_[b].size());
      if (positions_[b] > 0 && !model_.keeps_states(positions_[b], after)) {
        return true;
      }
    }
    return false;
  }

  /// Forgets the states of all sequences; the next step computes them anew.
  void start_again() {
    for (KvCache& cache : caches_) {
      cache = KvCache(model_.shape().layers, static_cast<int64_t>(active_.size()));
    }
    for (size_t b = 0; b < active_.size(); ++b) {
      pending_[b] = prompts_[active_[b]];
      const std::vector<int32_t>& added = results_[active_[b]].ids;
      pending_[b].insert(pending_[b].end(), added.begin(), added.end());
      positions_[b] = 0;
    }
  }

  /// Of the token behind each sequence, (B, V) float32.
  Tensor next_logits(const Batch& batch, KvCache& cache) const {
    const ModelInput input = model_.input(batch, &cache);
    const Tensor hidden = CausalLM::real_rows(model_.hidden(input, &cache), input);
    const std::vector<int64_t> ends(batch.segments.bounds.begin() + 1, batch.segments.bounds.end());
    const Tensor last = hidden.index_select(0, (at::tensor(ends, at::kLong) - 1).to(device_));
    return model_.logits(last).to(at::kFloat);
  }

  void choose(const Tensor& logits) {
    const Tensor greedy = logits.argmax(/*dim=*/-1).to(at::kCPU);
    std::vector<int64_t> kept;
    for (size_t b = 0; b < active_.size(); ++b) {
      Generated& result = results_[active_[b]];
      const int64_t row = static_cast<int64_t>(b);
      const int32_t id =
          options_.temperature > 0.0
              ? sample(logits[row], options_,
                       uniform(options_.seed, first_ + active_[b], result.ids.size()))
              : static_cast<int32_t>(greedy[row].item<int64_t>());
      positions_[b] += static_cast<int64_t>(pending_[b].size());
      if (std::find(options_.stop_ids.begin(), options_.stop_ids.end(), id) !=
          options_.stop_ids.end()) {
        result.stop = "eos";
        continue;
      }
      result.ids.push_back(id);
      if (sink_) {
        sink_(first_ + active_[b], id);
      }
      pending_[b] = {id};
      if (static_cast<int64_t>(result.ids.size()) >= options_.max_new_tokens) {
        result.stop = "length";
      } else if (positions_[b] >= model_.longest_sequence()) {
        result.stop = "positions";
      } else {
        kept.push_back(row);
      }
    }
    keep(kept);
  }

  void keep(const std::vector<int64_t>& rows) {
    if (rows.size() == active_.size()) {
      return;
    }
    std::vector<std::vector<int32_t>> pending;
    std::vector<int64_t> positions;
    std::vector<size_t> active;
    for (const int64_t row : rows) {
      pending.push_back(pending_[row]);
      positions.push_back(positions_[row]);
      active.push_back(active_[row]);
    }
    pending_ = std::move(pending);
    positions_ = std::move(positions);
    active_ = std::move(active);
    for (KvCache& cache : caches_) {
      cache.keep(rows);
    }
  }

  const CausalLM& model_;
  const std::vector<Adapter*>& voices_;  // adapters that speak together; empty: the model as it is
  const GenerateOptions& options_;
  at::Device device_;
  const TokenSink& sink_;
  size_t first_;
  std::vector<Generated> results_;
  std::vector<KvCache> caches_;  // one per voice, or one
  const std::vector<std::vector<int32_t>>& prompts_;
  std::vector<std::vector<int32_t>> pending_;  // tokens to feed, by active prompt
  std::vector<int64_t> positions_;             // of pending_'s first token
  std::vector<size_t> active_;                 // prompt indices
};

std::vector<Generated> decode(const CausalLM& model, const std::vector<Adapter*>& voices,
                              const std::vector<std::vector<int32_t>>& prompts,
                              const GenerateOptions& options, at::Device device,
                              const TokenSink& sink) {
  const at::NoGradGuard no_grad;
  if (prompts.empty() || options.max_new_tokens <= 0) {
    return std::vector<Generated>(prompts.size(), Generated{{}, "length"});
  }
  std::vector<Generated> results;
  const size_t batch = std::max<size_t>(1, options.batch);
  for (size_t first = 0; first < prompts.size(); first += batch) {
    const size_t end = std::min(first + batch, prompts.size());
    const std::vector<std::vector<int32_t>> group(prompts.begin() + static_cast<int64_t>(first),
                                                  prompts.begin() + static_cast<int64_t>(end));
    for (Generated& result : Decoding(model, voices, group, first, options, device, sink).run()) {
      results.push_back(std::move(result));
    }
  }
  return results;
}

/// Of each prompt the answer that most adapters gave. answers: [adapter][prompt].
std::vector<Generated> majority(const std::vector<std::vector<Generated>>& answers) {
  std::vector<Generated> results;
  for (size_t prompt = 0; prompt < answers.front().size(); ++prompt) {
    std::map<std::vector<int32_t>, int64_t> votes;
    for (const std::vector<Generated>& answer : answers) {
      ++votes[answer[prompt].ids];
    }
    const auto best =
        std::max_element(answers.begin(), answers.end(), [&](const auto& a, const auto& b) {
          return votes.at(a[prompt].ids) < votes.at(b[prompt].ids);
        });
    results.push_back((*best)[prompt]);
  }
  return results;
}

}  // namespace

std::vector<Generated> generate(const CausalLM& model,
                                const std::vector<std::vector<int32_t>>& prompts,
                                const GenerateOptions& options, at::Device device,
                                const TokenSink& sink) {
  return decode(model, {}, prompts, options, device, sink);
}

std::vector<Generated> generate_together(const CausalLM& model,
                                         const std::vector<Adapter*>& adapters, Ensemble ensemble,
                                         const std::vector<std::vector<int32_t>>& prompts,
                                         const GenerateOptions& options, at::Device device) {
  if (ensemble == Ensemble::kMean) {
    return decode(model, adapters, prompts, options, device, {});
  }
  std::vector<std::vector<Generated>> answers;
  for (Adapter* const adapter : adapters) {
    adapter->resume();
    answers.push_back(generate(model, prompts, options, device));
    adapter->suspend();
  }
  return majority(answers);
}

}  // namespace peft
