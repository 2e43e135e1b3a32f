#include "peft/plan/run_plan.h"

#include <algorithm>
#include <numeric>

#include "peft/util/text.h"

namespace peft {
namespace {

constexpr int64_t kEvaluationTokens = 2048;  // of a held-out batch (training/trainer)
constexpr int64_t kLogBytesPerStep = 700;    // of all logs together, measured
constexpr int64_t kReportBytes = 200'000;

int64_t scored_in(const Example& example, bool classifies) {
  if (classifies) {
    return 1;
  }
  return std::count_if(example.labels.begin() + (example.labels.empty() ? 0 : 1),
                       example.labels.end(), [](int32_t label) { return label != kIgnored; });
}

int64_t longest_of(const std::vector<Example>& examples) {
  size_t longest = 0;
  for (const Example& example : examples) {
    longest = std::max(longest, example.ids.size());
  }
  return static_cast<int64_t>(longest);
}

/// Tokens of the largest held-out batch: rows up to a number of tokens, or one longer row.
int64_t evaluation_tokens(const std::vector<Example>& held_out) {
  int64_t all = 0;
  for (const Example& example : held_out) {
    all += static_cast<int64_t>(example.ids.size());
  }
  return std::min(all, std::max(kEvaluationTokens, longest_of(held_out)));
}

int64_t tokenizer_bytes(const std::filesystem::path& folder) {
  std::error_code absent;
  for (const char* name :
       {"tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json", "vocab.txt"}) {
    const auto size = std::filesystem::file_size(folder / name, absent);
    if (!absent) {
      return static_cast<int64_t>(size);
    }
  }
  return 0;
}

/// Of the rows' ids, labels and weights.
int64_t bytes_of(const std::vector<Example>& examples) {
  size_t bytes = 0;
  for (const Example& example : examples) {
    bytes += 4 * (example.ids.size() + example.labels.size() + example.weights.size());
  }
  return static_cast<int64_t>(bytes);
}

/// The shape of a run but for its micro-batches.
RunShape shape_of(const Json& config, const PlanInput& input) {
  RunShape shape;
  shape.rows = static_cast<int64_t>(input.train.examples.size() + input.held_out.size());
  shape.row_bytes = bytes_of(input.held_out);
  if (!input.train.give_back) {
    shape.row_bytes += bytes_of(input.train.examples);
  }
  shape.evaluation_tokens = evaluation_tokens(input.held_out);
  shape.tokenizer_bytes = tokenizer_bytes(input.directory.path());
  shape.on_gpu = input.on_gpu;
  shape.dtype = computing_dtype(config.at("model").at("dtype").get<std::string>(), input.directory,
                                input.on_gpu);
  const Json& training = config.at("training");
  shape.optimizer = training.at("optim").get<std::string>();
  shape.checkpointing = training.value("gradient_checkpointing", Json(false)) == true;
  return shape;
}

/// Most tokens that `count` rows can have together, longest rows first.
int64_t most_tokens(std::vector<int64_t> lengths, int64_t count) {
  std::sort(lengths.begin(), lengths.end(), std::greater<>());
  lengths.resize(std::min(lengths.size(), static_cast<size_t>(count)));
  int64_t sum = 0;
  for (const int64_t length : lengths) {
    sum += length;
  }
  return sum;
}

/// Before the order of rows is known: a micro-batch as bad as there can be.
RunShape worst_shape(const Json& config, const PlanInput& input, RunShape shape, int64_t batch) {
  std::vector<int64_t> lengths;
  for (const Example& example : input.train.examples) {
    lengths.push_back(static_cast<int64_t>(example.ids.size()));
  }
  const Json& data = config.at("data");
  const int64_t all = std::accumulate(lengths.begin(), lengths.end(), int64_t{0});
  shape.tokens = data.at("packing") == "none"
                     ? most_tokens(std::move(lengths), batch)
                     : std::min(batch * data.at("max_length").get<int64_t>(), all);
  shape.scored = shape.tokens;
  return shape;
}

/// Walks every step of the run: its totals and its largest micro-batch.
void count_steps(const Json& config, const PlanInput& input, RunPlan& plan) {
  const Json& training = config.at("training");
  const Sampler sampler(input.train, sampler_options(config, plan.batch));
  const Json& limit = training.at("max_steps");
  const Json& epochs = training.at("num_train_epochs");
  BatchPlan steps(sampler, epochs.is_number() ? epochs.get<double>() : 1.0,
                  limit.is_number_integer() ? std::optional(limit.get<int64_t>()) : std::nullopt);
  plan.steps = steps.total_steps();
  plan.steps_per_epoch = steps.steps_per_epoch();
  std::vector<int64_t> scored;
  input.train.walk([&](const Example& example) {
    scored.push_back(scored_in(example, plan.model.classes > 0));
  });
  for (int64_t step = 0; step < plan.steps; ++step) {
    for (const std::vector<size_t>& rows : steps.step(step).micro_batches) {
      int64_t tokens = 0;
      int64_t scored_tokens = 0;
      for (const size_t row : rows) {
        tokens += static_cast<int64_t>(input.train.examples[row].ids.size());
        scored_tokens += scored[row];
      }
      plan.tokens += tokens;
      plan.scored_tokens += scored_tokens;
      plan.shape.tokens = std::max(plan.shape.tokens, tokens);
      plan.shape.scored = std::max(plan.shape.scored, scored_tokens);
    }
  }
}

/// Single changes that make the run fit, cheapest first.
std::vector<Remedy> remedies_of(const Json& config, const PlanInput& input, const RunPlan& plan) {
  std::vector<Remedy> found;
  const auto offer = [&](const char* key, const Json& value, const RunShape& shape,
                         std::string cost) {
    const int64_t total = plan_memory(plan.model, plan.adapter, shape).total();
    if (total <= plan.available) {
      found.push_back({key, value, total, std::move(cost)});
    }
  };
  for (int64_t batch = plan.batch.batch_size / 2; batch >= 1 && found.empty(); batch /= 2) {
    offer("training.per_device_train_batch_size", batch,
          worst_shape(config, input, plan.shape, batch),
          "the same steps with more accumulation, a little slower");
  }
  if (!plan.shape.checkpointing) {
    RunShape shape = plan.shape;
    shape.checkpointing = true;
    offer("training.gradient_checkpointing", true, shape, "about a third slower");
  }
  if (plan.shape.dtype == Dtype::kF32) {
    RunShape shape = plan.shape;
    shape.dtype = Dtype::kBF16;
    offer("model.dtype", "bfloat16", shape, "the base is rounded; slow on a CPU without bfloat16");
  }
  for (int64_t length = longest_of(input.train.examples) / 2; length >= 64; length /= 2) {
    RunShape shape = plan.shape;
    shape.tokens = std::min(shape.tokens, length * plan.batch.batch_size);
    shape.scored = std::min(shape.scored, shape.tokens);
    const size_t before = found.size();
    offer("data.max_length", length, shape, "longer rows are cut");
    if (found.size() > before) {
      break;
    }
  }
  return found;
}

}  // namespace

SamplerOptions sampler_options(const Json& config, const BatchSettings& batch) {
  const Json& data = config.at("data");
  SamplerOptions options;
  options.packing = data.at("packing").get<std::string>();
  options.batch_size = batch.batch_size;
  options.max_length = data.at("max_length").get<int64_t>();
  options.accumulation = batch.accumulation;
  options.seed = config.at("training").at("seed").get<uint64_t>();
  options.shuffle = data.at("shuffle").get<bool>();
  return options;
}

namespace {

/// "auto" about gradient checkpointing: only when the run does not fit without it.
void settle_checkpointing(Json& training, Json& origin, RunPlan& plan) {
  Json& choice = training["gradient_checkpointing"];
  if (choice.is_boolean()) {
    return;
  }
  choice = false;
  RunShape less = plan.shape;
  less.checkpointing = true;
  const MemoryPlan memory = plan_memory(plan.model, plan.adapter, less);
  if (!plan.fits() && memory.total() < plan.memory.total()) {
    choice = true;
    plan.shape = less;
    plan.memory = memory;
  }
  origin["training.gradient_checkpointing"] =
      choice == true ? "auto: memory does not suffice without it" : "auto: not needed";
}

}  // namespace

RunPlan plan_run(Json& config, Json& origin, const PlanInput& input) {
  RunPlan plan;
  plan.model = model_sizes(input.directory);
  plan.adapter = adapter_sizes(plan.model, config.at("adapter"));
  plan.shape = shape_of(config, input);
  plan.available = input.available;
  const auto fits = [&](int64_t batch) {
    const RunShape shape = worst_shape(config, input, plan.shape, batch);
    return plan.available == 0 ||
           plan_memory(plan.model, plan.adapter, shape).total() <= plan.available;
  };
  const bool packs = config.at("data").at("packing") != "none";
  plan.batch = settle_batch(
      config.at("training"), origin,
      packs ? config.at("data").at("max_length").get<int64_t>() : longest_of(input.train.examples),
      static_cast<int64_t>(input.train.examples.size()), fits);
  count_steps(config, input, plan);
  plan.memory = plan_memory(plan.model, plan.adapter, plan.shape);
  settle_checkpointing(config.at("training"), origin, plan);
  plan.disk_bytes = plan.memory.adapter + plan.steps * kLogBytesPerStep + kReportBytes;
  if (!plan.fits()) {
    plan.remedies = remedies_of(config, input, plan);
  }
  return plan;
}

std::string plan_line(const RunPlan& plan) {
  const std::string need = fmt::format("needs {}", human_bytes(plan.memory.total()));
  if (plan.available == 0) {
    return need;
  }
  std::string line = fmt::format("{}, {} are free", need, human_bytes(plan.available));
  if (plan.fits()) {
    return line + ": fits";
  }
  std::vector<std::string> ways;
  for (const Remedy& remedy : plan.remedies) {
    ways.push_back(fmt::format("{}={} ({}, {})", remedy.key, remedy.value.dump(),
                               human_bytes(remedy.total_bytes), remedy.cost));
  }
  return ways.empty() ? line + ": does not fit, and no single setting makes it fit"
                      : line + ": does not fit; fits with " + join(ways, ", or with ");
}

Json plan_json(const RunPlan& plan) {
  Json remedies = Json::array();
  for (const Remedy& remedy : plan.remedies) {
    remedies.push_back({{"key", remedy.key},
                        {"value", remedy.value},
                        {"total_bytes", remedy.total_bytes},
                        {"cost", remedy.cost}});
  }
  Json stored = Json::object();
  for (const auto& [dtype, parameters] : plan.model.stored) {
    stored[dtype_name(dtype)] = parameters * element_size(dtype);
  }
  return {{"memory", memory_json(plan.memory)},
          {"total_bytes", plan.memory.total()},
          {"available_bytes", plan.available == 0 ? Json() : Json(plan.available)},
          {"fits", plan.fits()},
          {"remedies", std::move(remedies)},
          {"dtype", dtype_name(plan.shape.dtype)},
          {"stored_bytes", std::move(stored)},
          {"trainable_parameters", plan.adapter.parameters},
          {"total_parameters", plan.total_parameters()},
          {"modules", plan.adapter.targets.size()},
          {"per_device_train_batch_size", plan.batch.batch_size},
          {"gradient_accumulation_steps", plan.batch.accumulation},
          {"micro_batch_tokens", plan.shape.tokens},
          {"steps", plan.steps},
          {"steps_per_epoch", plan.steps_per_epoch},
          {"tokens", plan.tokens},
          {"scored_tokens", plan.scored_tokens},
          {"disk_bytes", plan.disk_bytes}};
}

}  // namespace peft
