#include "peft/training/step_runner.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "peft/training/micro_batch.h"
#include "peft/util/log.h"
#include "peft/util/signals.h"

namespace peft {
namespace {

constexpr int64_t kMostSkippedInARow = 3;
constexpr int64_t kStepsBetweenUnderflowChecks = 100;
constexpr double kMostLostUpdates = 0.1;

}  // namespace

StepRunner::StepRunner(CausalLM& model, Adapter& adapter, std::span<const Example> examples,
                       const TrainOptions& options, const Schedule& schedule, at::Device device)
    : model_(model),
      adapter_(adapter),
      examples_(examples),
      options_(options),
      schedule_(schedule),
      device_(device),
      optimizer_(adapter.trainable(), options.optimizer),
      gate_(adapter.trainable()) {}

int64_t StepRunner::run(const PlannedStep& planned, TrainState& state, StepRecord& record) {
  record_ = record;
  record_.learning_rate = schedule_.rate(state.step);
  record_.rows_hash = rows_hash(examples_, planned.micro_batches);
  int64_t tokens = 0;
  if (state.left_out.count(state.step) == 0) {
    tokens = gradients_of(planned.micro_batches, state);
    update(planned.micro_batches, state);
  } else {
    record_.loss = std::nan("");
  }
  record = record_;
  return tokens;
}

void StepRunner::rehearse(const Groups& planned, TrainState& state) {
  gradients_of({largest_rows(examples_, planned)}, state);
  optimizer_.zero_gradients();
}

/// Mean gradients of a step and its loss. When the device's memory runs out the same step is done
/// again in smaller parts. Returns the step's tokens.
int64_t StepRunner::gradients_of(const Groups& planned, TrainState& state) {
  for (;;) {
    const Groups parts = cut_in_parts(planned, state.parts);
    try {
      return accumulate(parts, state.step);
    } catch (const c10::OutOfMemoryError& error) {
      take_smaller_parts(parts, error.what_without_backtrace(), state);
    } catch (const MemoryError& error) {  // the host's allocator
      take_smaller_parts(parts, error.what(), state);
    }
  }
}

int64_t StepRunner::accumulate(const Groups& micro_batches, int64_t step) {
  double loss_sum = 0.0;
  int64_t tokens = 0;
  int64_t first_row = 0;
  record_.scored_tokens = 0;
  optimizer_.zero_gradients();
  for (const std::vector<size_t>& rows : micro_batches) {
    check_not_stopped();
    const Batch batch = micro_batch(examples_, rows, options_.seed, step, first_row).to(device_);
    adapter_.begin_batch(batch.dropout_keys);
    const HeadLoss loss = model_.loss(batch);  // sum over the scored tokens; hooks act inside
    if (loss.tokens > 0) {
      loss.sum.backward();
      loss_sum += loss.sum.item<double>();
    }
    adapter_.end_batch();
    record_.scored_tokens += loss.tokens;
    tokens += batch.tokens();
    first_row += static_cast<int64_t>(rows.size());
  }
  // One divisor for the whole step, whatever the micro-batches' sizes.
  optimizer_.scale_gradients(1.0 /
                             static_cast<double>(std::max<int64_t>(1, record_.scored_tokens)));
  record_.loss = loss_sum / static_cast<double>(record_.scored_tokens);
  return tokens;
}

void StepRunner::take_smaller_parts(const Groups& parts, const std::string& reason,
                                    TrainState& state) {
  const bool single =
      std::all_of(parts.begin(), parts.end(), [](const auto& rows) { return rows.size() <= 1; });
  check<MemoryError>(!single,
                     "step {}: one row at a time is too much for {}: {}; lower data.max_length",
                     state.step + 1, device_.str(), reason.substr(0, reason.find('\n')));
  state.parts *= 2;
  log_warning(
      "step {}: {} ran out of memory; micro-batches are cut in {} parts from here on, with "
      "the same rows per step",
      state.step + 1, device_.str(), state.parts);
}

/// Clips and applies the gradients, unless there is nothing to learn from or they are not finite.
void StepRunner::update(const Groups& planned, TrainState& state) {
  if (record_.scored_tokens == 0) {
    log_warning("step {}: no token is scored, the update is skipped", record_.step);
    return;
  }
  if (const Tensor penalty = adapter_.penalty(); penalty.defined()) {
    penalty.backward();
    record_.penalty = penalty.item<double>();
    record_.has_penalty = true;
  }
  record_.grad_norm = optimizer_.gradient_norm();
  if (!std::isfinite(record_.loss) || !std::isfinite(record_.grad_norm)) {
    skip_update(state);
    return;
  }
  const bool classifies = model_.shape().classes() > 0;  // each of its rows is attended to
  if (!gate_.is_open() && (classifies || exercise_attention(examples_, planned))) {
    gate_.check_step(record_.learning_rate);
  }
  if (options_.max_grad_norm > 0.0) {
    optimizer_.clip_gradients(record_.grad_norm, options_.max_grad_norm);
  }
  apply();
  adapter_.after_step(record_.step);
  state.skipped_in_a_row = 0;
  state.updates += record_.learning_rate > 0.0 ? 1 : 0;
}

void StepRunner::skip_update(TrainState& state) {
  ++state.skipped_steps;
  log_warning("step {}: loss {}, gradient norm {}: not finite, the update is skipped", record_.step,
              record_.loss, record_.grad_norm);
  check<NumericError>(++state.skipped_in_a_row < kMostSkippedInARow,
                      "step {}: {} steps in a row were not finite; lower training.learning_rate "
                      "or check the base model's weights",
                      record_.step, kMostSkippedInARow);
}

/// The optimizer's step; now and then it is looked at whether rounding swallows it.
void StepRunner::apply() {
  const bool looks = record_.step % kStepsBetweenUnderflowChecks == 0 &&
                     record_.learning_rate >= 0.1 * schedule_.peak;
  const Tensor before = looks ? optimizer_.values().clone() : Tensor();
  optimizer_.step(record_.learning_rate);
  if (!looks) {
    return;
  }
  const double lost = lost_updates(before, optimizer_.values(), optimizer_.gradients());
  if (!(lost <= kMostLostUpdates)) {
    log_warning(
        "step {}: {:.0f} % of the updates were too small to change a float32 number; raise "
        "training.learning_rate",
        record_.step, 100.0 * lost);
  }
}

}  // namespace peft
