#include "peft/training/trainer.h"

#include <ATen/ATen.h>

#include <chrono>
#include <cmath>

#include "peft/training/run_log.h"
#include "peft/training/step_runner.h"
#include "peft/util/log.h"
#include "peft/util/signals.h"

namespace peft {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kMostSpikesInARow = 3;
constexpr int64_t kEvaluationTokens = 2048;  // a batch's size while training state is in memory

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

int64_t warmup_of(const TrainOptions& options, int64_t total_steps) {
  return options.warmup_steps.value_or(
      static_cast<int64_t>(std::ceil(options.warmup_ratio * static_cast<double>(total_steps))));
}

Schedule schedule_of(const TrainOptions& options, int64_t total_steps) {
  Schedule schedule = options.schedule;
  schedule.total_steps = total_steps;
  schedule.warmup_steps = warmup_of(options, total_steps);
  return schedule;
}

/// One run in this process, from its start or from a checkpoint.
class Training {
 public:
  Training(CausalLM& model, Adapter& adapter, std::span<const Example> examples,
           std::span<const Example> held_out, BatchPlan& plan, const TrainOptions& options,
           at::Device device, const TrainCallbacks& callbacks, CheckpointKeeper* keeper)
      : model_(model),
        adapter_(adapter),
        held_out_(held_out),
        plan_(plan),
        options_(options),
        device_(device),
        callbacks_(callbacks),
        keeper_(keeper),
        total_steps_(plan.total_steps()),
        runner_(model, adapter, examples, options, schedule_of(options, total_steps_), device) {}

  TrainSummary run() {
    adapter_.before_training(total_steps_);
    adapter_.train(true);
    restore();
    if (options_.longest_first && !is_over()) {
      rehearse();
    }
    try {
      evaluate_if_due();  // a signal may have come between a step and its evaluation
      while (!is_over()) {
        one_step();
        watch_loss();
        evaluate_if_due();
        save_if_due();
      }
    } catch (const Error& request) {
      leave(request);
      throw;
    }
    adapter_.train(false);
    save(/*must=*/true);
    return summary();
  }

 private:
  bool is_over() const {
    return state_.step >= total_steps_ || state_.selection.is_over(options_.patience);
  }

  void restore() {
    if (keeper_ == nullptr) {
      return;
    }
    if (const auto state = keeper_->restore(adapter_, runner_.optimizer())) {
      state_ = *state;
      seconds_before_ = state_.seconds;
    }
  }

  void one_step() {
    const Clock::time_point start = Clock::now();
    record_ = {.step = state_.step + 1, .epoch = plan_.epochs_after(state_.step + 1)};
    const int64_t tokens = runner_.run(plan_.step(state_.step), state_, record_);
    ++state_.step;
    state_.tokens += tokens;
    state_.scored_tokens += record_.scored_tokens;
    state_.seconds = seconds_before_ + seconds_since(start_);
    record_.tokens = state_.tokens;
    record_.tokens_per_second = static_cast<double>(tokens) / seconds_since(start);
    record_.peak_memory_bytes = peak_resident_bytes();
    if (callbacks_.on_step) {
      callbacks_.on_step(record_);
    }
  }

  void watch_loss() {
    if (!std::isfinite(record_.loss)) {
      return;
    }
    const int64_t in_a_row = state_.spikes.add(record_.loss);
    if (in_a_row == 1) {
      log_warning("step {}: the loss jumped to {:.4f}, usual is {:.4f}", record_.step, record_.loss,
                  state_.spikes.median());
    } else if (in_a_row == kMostSpikesInARow) {
      act_on_spikes();
    }
  }

  void act_on_spikes() {
    const int64_t first = record_.step - kMostSpikesInARow;  // the first of them, from 0
    const std::string what =
        fmt::format("steps {}-{}: the loss stays at {:.4f}, usual is {:.4f}", first + 1,
                    record_.step, record_.loss, state_.spikes.median());
    if (options_.spike_policy == "warn") {
      log_warning("{}", what);
      return;
    }
    check<NumericError>(options_.spike_policy == "rollback",
                        "{}; lower training.learning_rate or look at the rows of these steps",
                        what);
    std::set<int64_t> left_out = state_.left_out;
    for (int64_t step = first; step < record_.step; ++step) {
      left_out.insert(step);
    }
    const std::optional<TrainState> good =
        keeper_ == nullptr ? std::nullopt
                           : keeper_->roll_back(first, adapter_, runner_.optimizer());
    check<NumericError>(good.has_value(),
                        "{}; there is no checkpoint before them to go back to; set "
                        "training.save_steps",
                        what);
    state_ = *good;
    state_.left_out = std::move(left_out);
    log_warning("{}; back to step {}, and on without the rows of these steps", what, state_.step);
  }

  bool evaluation_is_due() const {
    if (held_out_.empty() || state_.step == 0 || state_.selection.evaluated_step == state_.step) {
      return false;
    }
    return options_.eval_steps ? *options_.eval_steps > 0 && state_.step % *options_.eval_steps == 0
                               : plan_.step(state_.step - 1).ends_epoch;
  }

  void evaluate_if_due() {
    if (!evaluation_is_due()) {
      return;
    }
    adapter_.train(false);
    const Evaluation evaluation = evaluate(model_, held_out_, evaluation_tokens_, device_);
    evaluation_tokens_ = evaluation.batch_tokens;
    adapter_.train(true);
    if (callbacks_.on_evaluation) {
      callbacks_.on_evaluation(state_.step, evaluation);
    }
    const bool by_accuracy = options_.metric != "eval_loss";
    const bool better =
        state_.selection.add(state_.step, by_accuracy ? evaluation.accuracy() : evaluation.loss(),
                             /*larger_is_better=*/by_accuracy);
    if (better) {
      save(/*must=*/false);
    }
  }

  void save_if_due() {
    if (keeper_ != nullptr && !is_over() && keeper_->is_due(state_.step)) {
      save(/*must=*/false);
    }
  }

  void save(bool must) {
    if (keeper_ != nullptr) {
      keeper_->save(state_, adapter_, runner_.optimizer(), must);
    }
  }

  /// A signal's way out: what the last whole step left is saved, and the error says where.
  void leave(const Error& request) {
    if (request.code() != ExitCode::kStopped && request.code() != ExitCode::kInterrupted) {
      return;
    }
    const std::string by = request.code() == ExitCode::kStopped ? stop_signal_name() : "Ctrl-C";
    if (keeper_ == nullptr || state_.step == 0) {
      throw Error(request.code(),
                  fmt::format("ended by {} before the first step; run the same command again", by));
    }
    save(/*must=*/true);
    throw Error(
        request.code(),
        fmt::format("ended by {} after step {}; {} holds the state, the same command goes on "
                    "from there",
                    by, state_.step, checkpoint_path(keeper_->run(), state_.step).string()));
  }

  void rehearse() {
    const int64_t epoch = plan_.step(state_.step).epoch;
    Groups planned;
    for (int64_t step = state_.step; step < total_steps_ && plan_.step(step).epoch == epoch;
         ++step) {
      const Groups& more = plan_.step(step).micro_batches;
      planned.insert(planned.end(), more.begin(), more.end());
    }
    runner_.rehearse(planned, state_);
  }

  TrainSummary summary() const {
    return {.steps = state_.step,
            .tokens = state_.tokens,
            .scored_tokens = state_.scored_tokens,
            .updates = state_.updates,
            .skipped_steps = state_.skipped_steps,
            .selection = state_.selection,
            .stopped_early = state_.step < total_steps_,
            .seconds = seconds_before_ + seconds_since(start_)};
  }

  CausalLM& model_;
  Adapter& adapter_;
  std::span<const Example> held_out_;
  BatchPlan& plan_;
  const TrainOptions& options_;
  at::Device device_;
  const TrainCallbacks& callbacks_;
  CheckpointKeeper* keeper_;
  int64_t total_steps_;
  StepRunner runner_;
  TrainState state_;
  StepRecord record_;  // of the step at hand
  int64_t evaluation_tokens_ = kEvaluationTokens;
  Clock::time_point start_ = Clock::now();
  double seconds_before_ = 0.0;  // in earlier processes
};

}  // namespace

TrainSummary train(CausalLM& model, Adapter& adapter, std::span<const Example> examples,
                   std::span<const Example> held_out, BatchPlan& plan, const TrainOptions& options,
                   at::Device device, const TrainCallbacks& callbacks, CheckpointKeeper* keeper) {
  return Training(model, adapter, examples, held_out, plan, options, device, callbacks, keeper)
      .run();
}

}  // namespace peft
