#pragma once

#include <fstream>
#include <sstream>

#include "peft/config/adapter_config.h"
#include "peft/methods/registry.h"
#include "peft/training/run_log.h"
#include "peft/training/step_log.h"
#include "peft/training/trainer.h"
#include "support/fixtures.h"

namespace peft {

/// Everything of a run of the tiny Llama; tests change members before `run`.
struct TinyRun {
  std::filesystem::path folder;
  Json adapter = {{"peft_type", "LORA"},
                  {"r", 4},
                  {"lora_dropout", 0.1},
                  {"target_modules", {"q_proj", "down_proj"}}};
  std::vector<Example> rows = counting_rows();
  std::vector<Example> held_out = {};
  SamplerOptions order = {.batch_size = 2, .accumulation = 2};
  TrainOptions options = usual_options();
  KeepOptions keep = {.save_steps = 3};
  std::unique_ptr<CausalLM> model = fixture_model("llama");
  std::function<void(const StepRecord&)> on_step = {};
  std::function<void(Adapter&)> on_adapter = {};
  NamedTensors trained = {};
  TrainSummary summary = {};

  static std::vector<Example> counting_rows() {
    std::vector<Example> rows;
    for (int32_t i = 0; i < 18; ++i) {
      std::vector<int32_t> ids;
      for (int32_t j = 0; j < 5 + i % 7; ++j) {
        ids.push_back((7 * i + 3 * j) % 64);
      }
      Example row;
      row.ids = std::move(ids);
      row.labels = row.ids;
      row.row = i;
      rows.push_back(row);
    }
    return rows;
  }

  static TrainOptions usual_options() {
    TrainOptions options;
    options.max_steps = 12;
    options.batch_size = 2;
    options.accumulation = 2;
    options.schedule = {.type = "cosine", .peak = 0.01};
    options.max_grad_norm = 1.0;
    return options;
  }

  static RunIdentity identity() {
    return {.tool = "test", .base = "tiny", .hashes = Json::object(), .config = Json::object()};
  }

  /// Trains, from the newest checkpoint of the folder if it holds one.
  void run() {
    const auto hooks = attach_adapter(*model, complete_adapter_config(adapter), /*seed=*/3);
    if (on_adapter) {
      on_adapter(*hooks);
    }
    std::vector<int64_t> lengths;
    for (const Example& row : rows) {
      lengths.push_back(static_cast<int64_t>(row.ids.size()));
    }
    const Sampler sampler(lengths, order);
    BatchPlan plan(sampler, options.epochs, options.max_steps);
    std::filesystem::create_directories(folder);
    CheckpointKeeper keeper(folder, identity(), keep, {"steps.jsonl"});
    if (const auto start = newest_checkpoint(folder)) {
      keeper.start_from(*start);
      cut_logs(folder, read_state(start->path));
    } else {
      std::filesystem::remove(folder / "steps.jsonl");
    }
    RunLog log(folder / "steps.jsonl");
    const TrainCallbacks callbacks{[&](const StepRecord& record) {
                                     log.write(exact_step_json(record));
                                     if (on_step) {
                                       on_step(record);
                                     }
                                   },
                                   {}};
    summary = train(*model, *hooks, rows, held_out, plan, options, at::kCPU, callbacks, &keeper);
    for (const auto& [name, tensor] : hooks->trainable()) {
      trained.emplace_back(name, tensor.detach().clone());
    }
  }
};

inline std::string bytes_of(const std::filesystem::path& file) {
  std::stringstream text;
  text << std::ifstream(file, std::ios::binary).rdbuf();
  return text.str();
}

/// The message of the Error that `action` throws.
template <class E>
std::string refusal_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const E& error) {
    return error.what();
  }
  return "nothing was thrown";
}

}  // namespace peft
