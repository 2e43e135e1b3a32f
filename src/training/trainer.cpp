#include "peft/training/trainer.h"

#include <ATen/ATen.h>

#include <chrono>
#include <cmath>

#include "peft/kernels/dropout.h"
#include "peft/training/run_log.h"
#include "peft/util/log.h"

namespace peft {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kMostSkippedInARow = 3;
constexpr int64_t kEvaluationTokens = 2048;  // a batch's size while training state is in memory

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Row keys of dropout: a function of the seed, the step, the row's place in the whole step and the
/// token's place in its row; so a mask does not depend on how a step is cut into micro-batches.
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

Batch micro_batch(std::span<const Example> examples, const std::vector<size_t>& rows, uint64_t seed,
                  int64_t step, int64_t first_row) {
  std::vector<const Example*> chosen;
  for (const size_t row : rows) {
    chosen.push_back(&examples[row]);
  }
  Batch batch = make_batch(chosen);
  batch.dropout_keys = dropout_keys(seed, step, first_row, batch.segments);
  return batch;
}

int64_t warmup_of(const TrainOptions& options, int64_t total_steps) {
  return options.warmup_steps.value_or(
      static_cast<int64_t>(std::ceil(options.warmup_ratio * static_cast<double>(total_steps))));
}

bool evaluates_after(int64_t step, const PlannedStep& planned, const TrainOptions& options) {
  return options.eval_steps ? *options.eval_steps > 0 && step % *options.eval_steps == 0
                            : planned.ends_epoch;
}

}  // namespace

TrainSummary train(CausalLM& model, Adapter& adapter, std::span<const Example> examples,
                   std::span<const Example> held_out, BatchPlan& plan, const TrainOptions& options,
                   at::Device device, const TrainCallbacks& callbacks) {
  const Clock::time_point start = Clock::now();
  const int64_t total_steps = plan.total_steps();
  Schedule schedule = options.schedule;
  schedule.total_steps = total_steps;
  schedule.warmup_steps = warmup_of(options, total_steps);
  Optimizer optimizer(adapter.trainable(), options.optimizer);
  adapter.before_training(total_steps);
  adapter.train(true);

  TrainSummary summary;
  int skipped_in_a_row = 0;
  for (int64_t step = 0; step < total_steps; ++step) {
    const Clock::time_point step_start = Clock::now();
    const PlannedStep& planned = plan.step(step);
    StepRecord record{.step = step + 1, .epoch = plan.epochs_after(step + 1)};
    double loss_sum = 0.0;
    int64_t step_tokens = 0;
    int64_t first_row = 0;
    optimizer.zero_gradients();
    for (const std::vector<size_t>& rows : planned.micro_batches) {
      const Batch batch = micro_batch(examples, rows, options.seed, step, first_row).to(device);
      adapter.begin_batch(batch.dropout_keys);
      const HeadLoss loss = model.loss(batch);  // sum over the scored tokens; hooks act inside
      if (loss.tokens > 0) {
        loss.sum.backward();
        loss_sum += loss.sum.item<double>();
      }
      record.scored_tokens += loss.tokens;
      step_tokens += batch.tokens();
      first_row += static_cast<int64_t>(rows.size());
    }
    // One divisor for the whole step, whatever the micro-batches' sizes.
    optimizer.scale_gradients(1.0 /
                              static_cast<double>(std::max<int64_t>(1, record.scored_tokens)));
    if (const Tensor penalty = adapter.penalty(); penalty.defined()) {
      penalty.backward();
      record.penalty = penalty.item<double>();
      record.has_penalty = true;
    }
    record.loss = loss_sum / static_cast<double>(record.scored_tokens);
    record.grad_norm = optimizer.gradient_norm();
    record.learning_rate = schedule.rate(step);
    if (std::isfinite(record.loss) && std::isfinite(record.grad_norm)) {
      if (options.max_grad_norm > 0.0) {
        optimizer.clip_gradients(record.grad_norm, options.max_grad_norm);
      }
      optimizer.step(record.learning_rate);
      adapter.after_step(step + 1);
      skipped_in_a_row = 0;
    } else {
      ++summary.skipped_steps;
      log_warning("step {}: loss {}, gradient norm {}: not finite, the update is skipped", step + 1,
                  record.loss, record.grad_norm);
      check<NumericError>(
          ++skipped_in_a_row < kMostSkippedInARow,
          "step {}: {} steps in a row were not finite; lower training.learning_rate "
          "or check the base model's weights",
          step + 1, kMostSkippedInARow);
    }
    summary.steps = step + 1;
    summary.tokens += step_tokens;
    summary.scored_tokens += record.scored_tokens;
    record.tokens = summary.tokens;
    record.tokens_per_second = static_cast<double>(step_tokens) / seconds_since(step_start);
    record.peak_memory_bytes = peak_resident_bytes();
    if (callbacks.on_step) {
      callbacks.on_step(record);
    }
    if (!held_out.empty() && evaluates_after(step + 1, planned, options)) {
      adapter.train(false);
      const Evaluation evaluation = evaluate(model, held_out, kEvaluationTokens, device);
      adapter.train(true);
      if (callbacks.on_evaluation) {
        callbacks.on_evaluation(step + 1, evaluation);
      }
    }
  }
  adapter.train(false);
  summary.seconds = seconds_since(start);
  return summary;
}

}  // namespace peft
