// peft train: config -> model -> method -> data set -> steps -> adapter, in a straight line.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/version.h>

#include <algorithm>
#include <set>

#include "peft/commands/commands.h"
#include "peft/commands/engine_start.h"
#include "peft/commands/open_model.h"
#include "peft/commands/run_adapter.h"
#include "peft/commands/run_data.h"
#include "peft/commands/run_directory.h"
#include "peft/commands/run_identity.h"
#include "peft/methods/effective_scale.h"
#include "peft/plan/machine_memory.h"
#include "peft/plan/run_plan.h"
#include "peft/report/log_mirror.h"
#include "peft/report/run_page.h"
#include "peft/training/guards.h"
#include "peft/training/run_log.h"
#include "peft/training/step_log.h"
#include "peft/training/trainer.h"
#include "peft/util/log.h"
#include "peft/util/text.h"

namespace peft {
namespace {

/// The config and where its values came from; both grow as `auto` values are settled.
struct RunConfig {
  Json values;
  Json origin;
};

/// A run that goes on keeps the batch that it settled on, whatever memory is free today.
void keep_batch(RunConfig& run, const Json& before) {
  Json& training = run.values["training"];
  for (const char* key : {"per_device_train_batch_size", "gradient_accumulation_steps"}) {
    if (training.at(key) == "auto") {
      training[key] = before.at("training").at(key);
      run.origin[std::string("training.") + key] = "auto: as the run began";
    }
  }
}

/// Sizes that the first line says and the report keeps.
struct ParameterCount {
  int64_t trainable = 0;
  int64_t total = 0;
  int64_t modules = 0;
};

ParameterCount count_parameters(const CausalLM& model, const Adapter& adapter) {
  ParameterCount result;
  result.modules = adapter.modules();
  std::set<const void*> seen;  // a tied head shares the embedding's memory
  const auto count = [&](const Tensor& tensor) {
    result.total += seen.insert(tensor.unsafeGetTensorImpl()).second ? tensor.numel() : 0;
  };
  for (const Tensor& tensor : model.parameters()) {
    count(tensor);
  }
  for (const auto& [name, tensor] : adapter.trainable()) {
    result.trainable += tensor.numel();
    count(tensor);
  }
  return result;
}

Json step_json(const StepRecord& record, const Adapter& adapter) {
  Json line = {{"step", record.step},
               {"epoch", record.epoch},
               {"loss", record.scored_tokens > 0 ? json_number(record.loss) : Json()},
               {"learning_rate", record.learning_rate},
               {"grad_norm", json_number(record.grad_norm)},
               {"tokens", record.tokens},
               {"scored_tokens", record.scored_tokens},
               {"tokens_per_second", record.tokens_per_second},
               {"peak_memory_bytes", record.peak_memory_bytes}};
  if (record.has_penalty) {
    line["penalty"] = json_number(record.penalty);
  }
  for (const auto& [name, value] : adapter.figures()) {
    line["figures"][name] = json_number(value);
  }
  return line;
}

/// `classes`: of the model's classification head.
Json evaluation_json(int64_t step, const Evaluation& evaluation, int64_t classes) {
  Json line = {{"step", step}, {"eval_loss", json_number(evaluation.loss())}};
  if (classes == 0) {
    line["eval_perplexity"] = json_number(evaluation.perplexity());
    line["eval_token_accuracy"] = json_number(evaluation.accuracy());
  } else if (classes > 1) {
    line["eval_accuracy"] = json_number(evaluation.accuracy());
  }
  return line;
}

std::string evaluation_text(int64_t step, const Evaluation& evaluation, int64_t classes) {
  std::string text = fmt::format("step {}  held-out loss {:.4f}", step, evaluation.loss());
  if (classes == 0) {
    text += fmt::format("  perplexity {:.3f}  token accuracy {:.3f}", evaluation.perplexity(),
                        evaluation.accuracy());
  } else if (classes > 1) {
    text += fmt::format("  accuracy {:.4f}", evaluation.accuracy());
  }
  return text;
}

std::string first_line(const RunConfig& run, const ParameterCount& parameters,
                       const CausalLM& model, const RunData& data, const BatchPlan& plan,
                       const TrainOptions& options) {
  return fmt::format(
      "{} on {} modules of {}: {} of {} parameters train ({:.2f} %), base in {}; {} rows, {} "
      "{}; {} steps of {} x {} rows, learning rate {}",
      run.values.at("adapter").value("peft_type", std::string("adapter")), parameters.modules,
      model.shape().architecture, with_commas(parameters.trainable), with_commas(parameters.total),
      100.0 * static_cast<double>(parameters.trainable) / static_cast<double>(parameters.total),
      c10::toString(model.token_embedding().weight().scalar_type()),
      with_commas(data.train.report.examples), with_commas(data.train.report.scored_tokens),
      model.shape().classes() > 0 ? "labels" : "supervised tokens", plan.total_steps(),
      options.batch_size, options.accumulation, options.schedule.peak);
}

/// Plans the run against the memory that this process has and may still get; settles the batch.
RunPlan plan_of(RunConfig& run, const OpenModel& open, const RunData& data) {
  const bool on_gpu = open.device.is_cuda();
  const int64_t available = on_gpu ? gpu_memory() : available_memory() + peak_resident_bytes();
  RunPlan plan = plan_run(run.values, run.origin,
                          {open.directory, data.train, data.held_out, on_gpu, available});
  plan.fits() ? log_info("memory: {}", plan_line(plan))
              : log_warning("memory: {}", plan_line(plan));
  return plan;
}

RunOptions run_options(const Json& request) {
  return {
      .resume = request.at("config").at("training").at("resume_from_checkpoint").get<std::string>(),
      .overwrite = request.at("overwrite").get<bool>(),
      .allowed_changes = request.at("allow_changed").get<std::vector<std::string>>(),
      .dry = request.at("dry_run").get<bool>()};
}

KeepOptions keep_options(const Json& training) {
  const Json& steps = training.at("save_steps");
  return {
      .save_steps = steps.is_number_integer() ? std::optional(steps.get<int64_t>()) : std::nullopt,
      .total_limit = training.at("save_total_limit").get<int64_t>()};
}

/// Says what was learnt, and where the better half of it is.
void describe_end(const TrainSummary& summary, const TrainOptions& options) {
  if (summary.stopped_early) {
    log_info("ended early: {} evaluations without a better {}",
             summary.selection.without_improvement, options.metric);
  }
  if (summary.selection.best && summary.selection.best_step != summary.steps) {
    log_info("the best {} was {:.4f} at step {}: checkpoint-{}/adapter", options.metric,
             *summary.selection.best, summary.selection.best_step, summary.selection.best_step);
  }
  if (summary.updates == 0) {
    log_warning("no step changed the adapter: it is as it was at the start");
  }
}

}  // namespace

void run_train(const Json& request) {
  RunConfig run{request.at("config"), request.at("origin")};
  const RunDirectory directory(run.values.at("training").at("output_dir").get<std::string>(),
                               run_options(request));
  const RunPhase phase = directory.phase(run.values);
  if (phase == RunPhase::kFinished) {
    log_info(
        "{}: finished at step {}; raise training.num_train_epochs or training.max_steps to go on "
        "(with --allow-changed=training.max_steps), or give --resume never --overwrite to start "
        "over",
        directory.path().string(), directory.finished_steps());
    return;
  }
  const std::optional<CheckpointFolder> start = directory.starting_point(phase);
  if (start && phase == RunPhase::kUnfinished) {
    keep_batch(run, directory.settled_config());
  }
  const std::string base = run.values.at("model").at("name_or_path").get<std::string>();
  OpenModel open =
      open_base({{"model", base},
                 {"device", request.at("device")},
                 {"threads", request.at("threads")},
                 {"allow_pickle", run.values.at("model").value("allow_pickle", false)}});
  const TextSide text(open.directory, run.values.at("data").at("chat_template").get<std::string>());
  const RunData data = read_run_data(run.values, run.origin, open.directory, text);
  open.load(run.values.at("model").at("dtype").get<std::string>());
  CausalLM& model = *open.model;
  const std::unique_ptr<Adapter> adapter = make_adapter(run.values, open.directory, model, text);
  check<UsageError>(run.values.at("data").at("max_length") <= model.longest_sequence(),
                    "data.max_length: expected at most {}, the model's positions, found {}",
                    model.longest_sequence(), run.values.at("data").at("max_length").dump());

  if (const std::string odd = uneven_coverage(adapter->trainable()); !odd.empty()) {
    log_warning("adapter.target_modules: {}", odd);
  }
  const RunPlan planned = plan_of(run, open, data);
  model.checkpoint_activations(planned.shape.checkpointing);
  TrainOptions options = train_options(run.values.at("training"), planned.batch);
  options.longest_first = open.device.is_cuda();
  const Sampler sampler(data.train, sampler_options(run.values, planned.batch));
  BatchPlan plan(sampler, options.epochs, options.max_steps);
  const ParameterCount parameters = count_parameters(model, *adapter);
  log_info("{}", first_line(run, parameters, model, data, plan, options));
  const FrozenBase frozen(model, adapter->trainable());
  const RunIdentity identity =
      run_identity(run.values, request.at("version").get<std::string>(), frozen.identity(),
                   open.directory, text, data.train, data.held_out);
  CheckpointKeeper keeper(directory.path(), identity, keep_options(run.values.at("training")),
                          run_logs());
  if (start) {
    check_identity(verify_checkpoint(start->path), identity, run_options(request).allowed_changes,
                   start->path);
    keeper.start_from(*start);
    log_info("going on from {} at step {}", start->path.string(), start->step);
  }
  if (request.at("dry_run").get<bool>()) {
    log_info("dry run: all is ready for the first step; nothing was written");
    return;
  }

  const bool goes_on = start && phase == RunPhase::kUnfinished;
  directory.begin(request.at("config"), run.values, run.origin, start);
  RunLog log(directory.path() / "train_log.jsonl");
  LogMirror mirror(directory.path(), run.values.at("training").at("report_to"), goes_on);
  RunPage page(directory.path());
  RunLog exact_log(directory.path() / "steps.jsonl");
  const bool bar = request.at("progress").get<bool>() && request.at("terminal").get<bool>();
  Progress progress(plan.total_steps(), options.logging_steps, bar);
  const TrainCallbacks callbacks{
      [&](const StepRecord& record) {
        const Json line = step_json(record, *adapter);
        log.write(line);
        mirror.write(line);
        exact_log.write(exact_step_json(record));
        progress.step(record);
        data.give_back();
      },
      [&](int64_t step, const Evaluation& evaluation) {
        const Json line = evaluation_json(step, evaluation, model.shape().classes());
        log.write(line);
        mirror.write(line);
        page.refresh(
            {{"data", data.report}, {"plan", plan_json(planned)}, {"warnings", warnings()}});
        progress.line(evaluation_text(step, evaluation, model.shape().classes()));
      }};
  const TrainSummary summary = train(model, *adapter, data.train.examples, data.held_out, plan,
                                     options, open.device, callbacks, &keeper);
  describe_end(summary, options);
  frozen.check_unchanged();

  save_adapter(*adapter, directory.path(), base);
  check_read_back(*adapter, directory.path());
  save_chat_template(text, data.train.report, directory.path());
  const Json report = {
      {"version", request.at("version")},
      {"device", device_description(open.device)},
      {"libtorch", TORCH_VERSION},
      {"threads", at::get_num_threads()},
      {"dtype", c10::toString(model.head().weight().scalar_type())},
      {"steps", summary.steps},
      {"skipped_steps", summary.skipped_steps},
      {"tokens", summary.tokens},
      {"scored_tokens", summary.scored_tokens},
      {"seconds", summary.seconds},
      {"tokens_per_second", static_cast<double>(summary.tokens) / summary.seconds},
      {"peak_memory_bytes", peak_resident_bytes()},
      {"trainable_parameters", parameters.trainable},
      {"total_parameters", parameters.total},
      {"effective_scale", scales_json(adapter->scales())},
      {"data", data.report},
      {"best_checkpoint", summary.selection.best
                              ? Json(fmt::format("checkpoint-{}", summary.selection.best_step))
                              : Json()},
      {"hashes", identity.hashes},
      {"plan", plan_json(planned)},
      {"warnings", warnings()}};
  page.finish(report);
  directory.finish(report);
  progress.line(fmt::format("{} steps, {} tokens in {}; the adapter is in {}", summary.steps,
                            with_commas(summary.tokens), human_seconds(summary.seconds),
                            directory.path().string()));
}

}  // namespace peft
