// Guards against results that are wrong in silence. Each has a planted bug that it must catch, and
// a clean run in which it must be quiet.
#include "peft/training/guards.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "peft/methods/adapter_io.h"
#include "peft/training/micro_batch.h"
#include "training/tiny_run.h"

namespace peft {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

TinyRun guarded_run(const TemporaryDirectory& folder) {
  TinyRun run;
  run.folder = folder.path() / "run";
  return run;
}

/// Losses as a run shows them: falling, with noise from a fixed sequence.
std::vector<double> noisy_losses(size_t count, uint32_t seed) {
  std::vector<double> losses;
  for (size_t i = 0; i < count; ++i) {
    seed = seed * 1664525u + 1013904223u;
    const double noise = static_cast<double>(seed >> 8) / (1 << 24) - 0.5;
    losses.push_back(1.5 + 2.0 * std::exp(-static_cast<double>(i) / 60.0) + 0.8 * noise);
  }
  return losses;
}

/// Most steps in a row that jump when steps `from`, from + 1, ... of a run cost ten times as much.
int64_t jumps(uint32_t seed, size_t from, size_t poisoned) {
  SpikeGuard guard;
  int64_t most = 0;
  std::vector<double> losses = noisy_losses(200, seed);
  for (size_t i = 0; i < losses.size(); ++i) {
    const double factor = i >= from && i < from + poisoned ? 10.0 : 1.0;
    most = std::max(most, guard.add(factor * losses[i]));
  }
  return most;
}

TEST(SpikeGuard, CountsTheStepsOfAJump) {
  EXPECT_EQ(jumps(1, 100, 1), 1);
  EXPECT_EQ(jumps(1, 100, 3), 3);
  EXPECT_EQ(jumps(1, 100, 20), 20);
}

TEST(SpikeGuard, IsQuietInTwentyCleanRuns) {
  for (uint32_t seed = 1; seed <= 20; ++seed) {
    EXPECT_EQ(jumps(seed, 0, 0), 0) << seed;
  }
}

TEST(SpikeGuard, TakesANaNForAJump) {
  SpikeGuard guard;
  for (const double loss : noisy_losses(40, 1)) {
    guard.add(loss);
  }
  EXPECT_EQ(guard.add(kNaN), 1);
}

TEST(Selection, NeverTakesANaNForTheBest) {
  Selection selection;
  EXPECT_FALSE(selection.add(1, kNaN, false));
  EXPECT_TRUE(selection.add(2, 3.0, false));
  EXPECT_FALSE(selection.add(3, kNaN, false));
  EXPECT_FALSE(selection.add(4, 3.0, false));
  EXPECT_EQ(selection.best_step, 2);
  EXPECT_TRUE(selection.is_over(2));
  EXPECT_FALSE(selection.is_over(std::nullopt));
}

TEST(GradientGate, NamesATensorThatNothingTrains) {
  const TemporaryDirectory folder;
  TinyRun run = guarded_run(folder);
  run.on_adapter = [](Adapter& adapter) {
    const Tensor cut = adapter.trainable().front().second;
    cut.set_requires_grad(true);
    cut.register_hook([](const Tensor& gradient) { return at::zeros_like(gradient); });
  };
  EXPECT_EQ(
      refusal_of<NumericError>([&] { run.run(); }),
      "model.layers.0.self_attn.q_proj.lora_A.weight: no gradient in steps 1-3; is it used by "
      "the forward pass?");
}

TEST(GradientGate, OpensInACleanRun) {
  const TemporaryDirectory folder;
  TinyRun run = guarded_run(folder);
  EXPECT_NO_THROW(run.run());
}

TEST(GradientGate, WaitsForRowsThatAttendToMoreThanOneToken) {
  Example two;
  two.ids = two.labels = {1, 2};
  Example three;
  three.ids = three.labels = {1, 2, 3};
  const std::vector<Example> rows = {two, three};
  EXPECT_FALSE(exercise_attention(rows, {{0}}));
  EXPECT_TRUE(exercise_attention(rows, {{0, 1}}));
}

TEST(FrozenBase, SeesOneBitThatTrainingChanged) {
  const auto model = fixture_model("llama");
  const FrozenBase base(*model, {});
  EXPECT_NO_THROW(base.check_unchanged());
  Tensor weight = model->parameters().back();
  weight.view({-1}).view(at::kInt)[0].bitwise_xor_(1);
  EXPECT_EQ(refusal_of<IntegrityError>([&] { base.check_unchanged(); }),
            model->named_parameters().keys().back() +
                ": frozen, but changed by training; the adapter was not written");
}

TEST(FrozenBase, StaysAsItWasInACleanRun) {
  const TemporaryDirectory folder;
  TinyRun run = guarded_run(folder);
  const FrozenBase base(*run.model, {});
  run.run();
  EXPECT_NO_THROW(base.check_unchanged());
}

TEST(FrozenBase, LeavesOutWhatTheAdapterTrains) {
  const auto model = fixture_model("llama");
  const auto all = model->named_parameters();
  const FrozenBase base(*model, {{all.keys().back(), all.values().back()}});
  Tensor weight = all.values().back();
  weight.view({-1}).view(at::kInt)[0].bitwise_xor_(1);
  EXPECT_NO_THROW(base.check_unchanged());
}

TEST(Hash, DependsOnEveryBitAndOnTheLength) {
  const Tensor numbers = at::arange(1000, at::kInt);
  Tensor other = numbers.clone();
  other[999].bitwise_xor_(1);
  EXPECT_NE(hash_of(numbers), hash_of(other));
  EXPECT_NE(hash_of(numbers), hash_of(numbers.narrow(0, 0, 999)));
  EXPECT_EQ(hash_of(numbers), hash_of(numbers.clone()));
}

TEST(LostUpdates, AreCountedWhereRoundingSwallowsThem) {
  const Tensor before = at::ones({4});
  const Tensor gradients = at::tensor({1.0F, 1.0F, 1.0F, 0.0F});
  const Tensor after = before + at::tensor({1e-9F, 1e-9F, 1e-3F, 0.0F});
  EXPECT_DOUBLE_EQ(lost_updates(before, after, gradients), 2.0 / 3.0);
  EXPECT_EQ(lost_updates(before, before + 0.5, gradients), 0.0);
}

TEST(Coverage, NamesLayersThatWereMatchedInPart) {
  const Tensor any = at::zeros({1});
  EXPECT_EQ(uneven_coverage({{"model.layers.0.q.lora_A", any}, {"model.layers.1.q.lora_A", any}}),
            "");
  EXPECT_EQ(uneven_coverage({{"model.layers.0.q.lora_A", any},
                             {"model.layers.0.v.lora_A", any},
                             {"model.layers.1.q.lora_A", any},
                             {"lm_head.lora_A", any}}),
            "model.layers.0 has 2 trainable tensors, model.layers.1 has 1; are all target modules "
            "meant?");
}

TEST(ReadBack, SeesAnAdapterThatIsNotWhatWasWritten) {
  const TemporaryDirectory folder;
  const auto model = fixture_model("llama");
  const auto hooks =
      attach_adapter(*model, complete_adapter_config({{"peft_type", "LORA"}}), /*seed=*/3);
  save_adapter(*hooks, folder.path(), "tiny");
  EXPECT_NO_THROW(check_read_back(*hooks, folder.path()));
  const at::NoGradGuard no_grad;
  const auto [name, tensor] = hooks->trainable().front();
  Tensor(tensor).add_(1e-3);
  EXPECT_EQ(refusal_of<IoError>([&] { check_read_back(*hooks, folder.path()); }),
            folder.path().string() + ": base_model.model." + name +
                " reads back different from what was written");
}

/// Tensors after two SGD steps over four rows of 2 to 9 tokens.
NamedTensors split_as(int64_t batch, int64_t accumulation, const std::string& packing = "none") {
  const TemporaryDirectory folder;
  TinyRun run = guarded_run(folder);
  run.adapter["lora_dropout"] = 0.0;
  run.rows.resize(8);
  run.options.max_steps = 1;
  run.options.optimizer.type = "sgd";
  run.options.schedule = {.type = "constant", .peak = 0.1};
  run.options.warmup_steps = 0;
  run.options.max_grad_norm = 0.0;
  run.order = {
      .packing = packing, .batch_size = batch, .max_length = 64, .accumulation = accumulation};
  run.run();
  return run.trained;
}

double largest_difference(const NamedTensors& a, const NamedTensors& b) {
  double largest = 0.0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double scale = b[i].second.abs().max().item<double>();
    const double difference = (a[i].second - b[i].second).abs().max().item<double>();
    largest = std::max(largest, scale == 0.0 ? difference : difference / scale);
  }
  return largest;
}

TEST(Accumulation, GivesTheGradientsOfOneBatchHoweverItIsSplit) {
  const NamedTensors whole = split_as(8, 1);
  EXPECT_LE(largest_difference(split_as(4, 2), whole), 1e-6);
  EXPECT_LE(largest_difference(split_as(2, 4), whole), 1e-6);
  EXPECT_LE(largest_difference(split_as(1, 8), whole), 1e-6);
  EXPECT_LE(largest_difference(split_as(8, 1, "bfd"), whole), 1e-6);
}

TEST(Accumulation, AMeanOfMeansWouldBeSeen) {
  const auto model = fixture_model("llama");
  const std::vector<Example> rows = TinyRun::counting_rows();
  const at::NoGradGuard no_grad;
  double sum = 0.0;
  double means = 0.0;
  int64_t tokens = 0;
  for (const size_t row : {size_t{0}, size_t{6}}) {
    const HeadLoss loss = model->loss(micro_batch(rows, std::vector{row}, 0, 0, 0));
    sum += loss.sum.item<double>();
    means += loss.sum.item<double>() / static_cast<double>(loss.tokens) / 2.0;
    tokens += loss.tokens;
  }
  EXPECT_GT(std::abs(means - sum / static_cast<double>(tokens)), 1e-4);
}

/// Loss of the first row when the second travels with it.
double loss_beside(const Example& first, Example second, bool one_segment) {
  const auto model = fixture_model("llama");
  const at::NoGradGuard no_grad;
  second.labels = std::vector<int32_t>(second.ids.size(), kIgnored);
  std::vector<Example> rows = {second, first};
  if (one_segment) {  // the planted bug: rows that see each other
    Example joined = second;
    std::vector<int32_t> ids = second.ids.vector();
    std::vector<int32_t> labels(ids.size() + 1, kIgnored);
    ids.insert(ids.end(), first.ids.begin(), first.ids.end());
    labels.insert(labels.end(), first.labels.begin() + 1, first.labels.end());
    joined.ids = std::move(ids);
    joined.labels = std::move(labels);
    rows = {joined};
  }
  std::vector<size_t> all(rows.size());
  std::iota(all.begin(), all.end(), size_t{0});
  return model->loss(micro_batch(rows, all, 0, 0, 0)).sum.item<double>();
}

TEST(Packing, ANeighbourLeavesARowsLossBitEqual) {
  const std::vector<Example> rows = TinyRun::counting_rows();
  EXPECT_EQ(loss_beside(rows[0], rows[1], false), loss_beside(rows[0], rows[8], false));
  EXPECT_NE(loss_beside(rows[0], rows[1], true), loss_beside(rows[0], rows[8], true));
}

TEST(ZeroTargets, AMaskedMicroBatchIsIgnoredExactly) {
  const auto masked = [](std::vector<Example>& rows, size_t row) {
    rows[row].labels = std::vector<int32_t>(rows[row].ids.size(), kIgnored);
  };
  const auto tensors = [&](bool with_masked_rows) {
    const TemporaryDirectory folder;
    TinyRun run = guarded_run(folder);
    run.adapter["lora_dropout"] = 0.0;
    run.options.max_steps = 1;
    run.options.warmup_steps = 0;
    run.order = {.batch_size = 2, .accumulation = 2, .shuffle = false};
    run.rows.resize(with_masked_rows ? 4 : 2);
    if (with_masked_rows) {
      masked(run.rows, 2);
      masked(run.rows, 3);
    }
    run.run();
    return run.trained;
  };
  EXPECT_EQ(largest_difference(tensors(true), tensors(false)), 0.0);
}

TEST(ZeroTargets, AMaskedStepIsSkippedAndNoNaN) {
  const TemporaryDirectory folder;
  TinyRun run = guarded_run(folder);
  run.order = {.batch_size = 1, .accumulation = 1, .shuffle = false};
  run.options.max_steps = 6;
  run.rows[4].labels = std::vector<int32_t>(run.rows[4].ids.size(), kIgnored);
  run.run();
  EXPECT_EQ(run.summary.skipped_steps, 0);
  EXPECT_EQ(run.summary.updates, 5);
  for (const auto& [name, tensor] : run.trained) {
    EXPECT_TRUE(tensor.isfinite().all().item<bool>()) << name;
  }
}

/// The loss jumps in steps 32 to 34: the head is made too large behind the trainer's back, once.
TinyRun blown_up_run(const TemporaryDirectory& folder, const std::string& policy) {
  TinyRun run = guarded_run(folder);
  run.options.max_steps = 40;
  run.options.spike_policy = policy;
  run.keep = {.save_steps = 5, .total_limit = 0};
  CausalLM* const model = run.model.get();
  const auto left = std::make_shared<std::vector<std::pair<int64_t, double>>>();
  *left = {{34, 1.0 / 32.0}, {31, 32.0}};
  run.on_step = [model, left](const StepRecord& record) {
    if (!left->empty() && left->back().first == record.step) {
      const at::NoGradGuard no_grad;
      model->head().weight().mul_(left->back().second);
      left->pop_back();
    }
  };
  return run;
}

TEST(Spikes, EndARunThatAsksForIt) {
  const TemporaryDirectory folder;
  TinyRun run = blown_up_run(folder, "stop");
  const std::string text = refusal_of<NumericError>([&] { run.run(); });
  EXPECT_TRUE(text.starts_with("steps 32-34: the loss stays at ")) << text;
}

TEST(Spikes, RollARunBackAndLeaveTheirRowsOut) {
  const TemporaryDirectory first_folder;
  TinyRun first = blown_up_run(first_folder, "rollback");
  first.run();
  const TemporaryDirectory second_folder;
  TinyRun second = blown_up_run(second_folder, "rollback");
  second.run();
  EXPECT_EQ(first.summary.updates, 37);
  EXPECT_EQ(bytes_of(first.folder / "steps.jsonl"), bytes_of(second.folder / "steps.jsonl"));
  EXPECT_EQ(largest_difference(first.trained, second.trained), 0.0);
  EXPECT_EQ(read_state(checkpoint_path(first.folder, 40)).left_out,
            (std::set<int64_t>{31, 32, 33}));
}

TEST(MicroBatch, IsCutInPartsOfAboutAsManyRows) {
  EXPECT_EQ(cut_in_parts({{1, 2, 3, 4, 5}, {6}}, 2), (Groups{{1, 2}, {3, 4, 5}, {6}}));
  EXPECT_EQ(cut_in_parts({{1, 2, 3}}, 1), (Groups{{1, 2, 3}}));
}

TEST(RowOrder, DiffersFromEpochToEpoch) {
  const std::vector<Example> rows = TinyRun::counting_rows();
  const std::vector<int64_t> lengths(rows.size(), 4);
  const Sampler shuffled(lengths, {.batch_size = 2});
  EXPECT_NE(rows_hash(rows, shuffled.batches(0)), rows_hash(rows, shuffled.batches(1)));
  const Sampler in_file_order(lengths, {.batch_size = 2, .shuffle = false});  // the planted bug
  EXPECT_EQ(rows_hash(rows, in_file_order.batches(0)), rows_hash(rows, in_file_order.batches(1)));
}

TEST(Evaluation, IsBitEqualTwice) {
  const TemporaryDirectory folder;
  TinyRun run = guarded_run(folder);
  const auto hooks = attach_adapter(*run.model, complete_adapter_config(run.adapter), 3);
  hooks->train(false);
  const double first = evaluate(*run.model, run.rows, 64, at::kCPU).loss_sum;
  EXPECT_EQ(evaluate(*run.model, run.rows, 64, at::kCPU).loss_sum, first);
}

TEST(EarlyStopping, EndsARunThatGetsNoBetterAndKeepsItsBest) {
  const TemporaryDirectory folder;
  TinyRun run = guarded_run(folder);
  run.held_out = {run.rows[0]};
  run.options.max_steps = 100;
  run.options.eval_steps = 1;
  run.options.patience = 2;
  run.options.schedule.peak = 1.0;  // far too high: it soon gets worse
  run.run();
  EXPECT_TRUE(run.summary.stopped_early);
  EXPECT_EQ(run.summary.steps, run.summary.selection.best_step + 2);
  EXPECT_NO_THROW(verify_checkpoint(checkpoint_path(run.folder, run.summary.selection.best_step)));
}

}  // namespace
}  // namespace peft
