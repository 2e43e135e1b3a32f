// mlx-lm: the YAML of `mlx_lm.lora -c`.
#include <algorithm>
#include <filesystem>

#include "migration.h"
#include "peft/util/error.h"
#include "peft/util/text.h"

namespace peft {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kUsualLayers = 16;
constexpr double kUsualScale = 20.0;
constexpr double kUsualRank = 8.0;
constexpr double kUsualDecay = 0.01;  // of AdamW

Json as_fine_tune_type(const ForeignKey& key, MigrationWork& work) {
  if (key.value == "dora") {
    work.set("adapter.use_dora", true);
  }
  if (key.value == "lora" || key.value == "dora" || key.value == "full") {
    return key.value == "full" ? "FULL" : "LORA";
  }
  work.refuse(key, "expected lora, dora or full");
  return nullptr;
}

/// The update is multiplied by the scale itself: alpha / r.
Json as_alpha_of_scale(const ForeignKey& key, MigrationWork& work) {
  const double rank = number_or(work.theirs().value("lora_parameters.rank"), kUsualRank);
  const double scale = number_or(key.value, kUsualScale);
  work.changed(key, fmt::format("adapter.lora_alpha {}: mlx-lm's scale is alpha / r, and r is {}",
                                scale * rank, rank));
  return scale * rank;
}

/// A folder with train.jsonl, valid.jsonl and test.jsonl.
Json as_data_folder(const ForeignKey& key, MigrationWork& work) {
  const fs::path folder = key.value.is_string() ? key.value.get<std::string>() : "";
  if (!fs::exists(folder) || fs::exists(folder / "valid.jsonl")) {
    work.set("data.eval", (folder / "valid.jsonl").string());
  }
  return (folder / "train.jsonl").string();
}

/// mask_prompt scores the last answer and nothing before it; otherwise everything is scored.
Json as_masked_prompt(const ForeignKey& key, MigrationWork&) {
  return key.value == Json(true) ? "last_assistant" : "all";
}

/// Batches there, optimizer steps here.
Json as_steps_of_batches(const ForeignKey& key, MigrationWork& work) {
  const double batches = number_or(key.value, 0.0);
  const double each = number_or(work.theirs().value("grad_accumulation_steps"), 1.0);
  const auto steps = std::max<int64_t>(1, static_cast<int64_t>(batches / std::max(each, 1.0)));
  if (each > 1.0) {
    work.changed(key, fmt::format("{} optimizer steps: {:.0f} batches, {:.0f} per step", steps,
                                  batches, each));
  }
  return steps;
}

Json as_mlx_optimizer(const ForeignKey& key, MigrationWork& work) {
  if (key.value == "adam") {
    work.changed(key,
                 "training.optim \"adamw\" with weight_decay 0, which is Adam; mlx-lm's does "
                 "not correct its first steps");
    return "adamw";
  }
  return as_optimizer(key, work);
}

Json as_mlx_schedule(const ForeignKey& key, MigrationWork& work) {
  if (key.value == "cosine_decay") {
    return "cosine";
  }
  if (key.value == "linear_schedule") {
    return "linear";
  }
  work.left(key, fmt::format("{} is not available in this version; constant takes its place",
                             json_excerpt(key.value)));
  return "constant";
}

/// The first of a schedule's arguments, [peak, steps, end]; it wins over learning_rate.
double peak_of(const Json& arguments) {
  return arguments.is_array() && !arguments.empty() ? number_or(arguments[0], 0.0) : 0.0;
}

Json as_schedule_floor(const ForeignKey& key, MigrationWork&) {
  const double peak = peak_of(key.value);
  const double end =
      key.value.is_array() && key.value.size() > 2 ? number_or(key.value[2], 0.0) : 0.0;
  return peak > 0.0 && end > 0.0 && end <= peak ? Json(share_of(end, peak)) : Json();
}

/// The number of the model's blocks, where its folder is here.
int64_t blocks_of(const MigrationWork& work) {
  const Json model = work.ours("model.name_or_path");
  const fs::path config =
      model.is_string() ? fs::path(model.get<std::string>()) / "config.json" : fs::path();
  if (!fs::exists(config)) {
    return 0;
  }
  const Json json = read_json<UsageError>(config);
  const Json layers = json.value("num_hidden_layers", json.value("n_layer", Json()));
  return layers.is_number_integer() ? layers.get<int64_t>() : 0;
}

/// mlx-lm adapts the top blocks; their numbers depend on the model.
void settle_layers(MigrationWork& work) {
  const ForeignKey* const found = work.theirs().find("num_layers");
  const ForeignKey key = found != nullptr ? *found : ForeignKey{"num_layers", kUsualLayers, 0};
  const auto count = static_cast<int64_t>(number_or(key.value, kUsualLayers));
  const int64_t blocks = blocks_of(work);
  if (count < 0 || (blocks > 0 && count >= blocks)) {
    return;
  }
  if (work.ours("adapter.peft_type") == "FULL") {
    work.left(key,
              fmt::format("{}mlx-lm trains the top {} blocks only; here the whole model trains",
                          found == nullptr ? "not given: " : "", count));
    return;
  }
  if (blocks == 0) {
    work.refuse(key, fmt::format("{}mlx-lm adapts the top {} blocks only, and the model's folder, "
                                 "which says how many there are, is not here; name it in model, or "
                                 "write num_layers: -1 for all blocks",
                                 found == nullptr ? "not given: " : "", count));
    return;
  }
  Json numbers = Json::array();
  for (int64_t i = blocks - count; i < blocks; ++i) {
    numbers.push_back(i);
  }
  work.set("adapter.layers_to_transform", numbers);
  if (!work.has("adapter.target_modules")) {
    work.set("adapter.target_modules", Json::array({"q_proj", "k_proj", "v_proj", "o_proj",
                                                    "gate_proj", "up_proj", "down_proj"}));
  }
  work.changed(key,
               fmt::format("adapter.layers_to_transform: the top {} of {} blocks", count, blocks));
}

/// Defaults that count batches.
std::vector<MigrationDefault> batch_counts() {
  return {{"training.max_steps", 1000},
          {"training.logging_steps", 10},
          {"training.eval_steps", 200},
          {"training.save_steps", 100}};
}

void finish_mlx(MigrationWork& work) {
  if (const double peak = peak_of(work.theirs().value("lr_schedule.arguments")); peak > 0.0) {
    work.set("training.learning_rate", peak);
  }
  settle_layers(work);
  const double each = number_or(work.theirs().value("grad_accumulation_steps"), 1.0);
  for (const MigrationDefault& batches : batch_counts()) {
    if (each > 1.0 && !work.has(batches.ours)) {
      const double steps = batches.value.get<double>() / each;
      work.set(batches.ours, std::max<int64_t>(1, static_cast<int64_t>(steps)));
    }
  }
  const ForeignKey* const optimizer = work.theirs().find("optimizer");
  if (optimizer != nullptr && optimizer->value == "adamw" && !work.has("training.weight_decay")) {
    work.set("training.weight_decay", kUsualDecay);
    work.changed(*optimizer, fmt::format("training.weight_decay {}: the default of mlx's adamw; it "
                                         "does not correct its first steps, as is done here",
                                         kUsualDecay));
  }
  if (!work.has("adapter.lora_alpha")) {
    const double rank = number_or(work.ours("adapter.r"), kUsualRank);
    work.set("adapter.lora_alpha", kUsualScale * rank);
  }
}

}  // namespace

const MigrationTool& mlx_tool() {
  static const MigrationTool tool = {
      .name = "mlx",
      .title = "mlx-lm",
      .rules = {{"model", "model.name_or_path"},
                {"fine_tune_type", "adapter.peft_type", "", as_fine_tune_type},
                {"lora_parameters.rank", "adapter.r"},
                {"lora_parameters.scale", "adapter.lora_alpha", "", as_alpha_of_scale},
                {"lora_parameters.dropout", "adapter.lora_dropout", "", as_number},
                {"lora_parameters.keys", "adapter.target_modules", "", as_targets},
                {.key = "training_mode", .translate = refuse_value, .neutral = {"normal"}},
                {.key = "resume_adapter_file",
                 .why = "write adapter.path with the adapter's folder"},
                {"data", "data.train", "", as_data_folder},
                {"mask_prompt", "data.train_on", "", as_masked_prompt},
                {"max_seq_length", "data.max_length"},
                {"adapter_path", "training.output_dir"},
                {"iters", "training.max_steps", "", as_steps_of_batches},
                {"batch_size", "training.per_device_train_batch_size",
                 "rows of one forward pass on all devices together, of which there is one here"},
                {"grad_accumulation_steps", "training.gradient_accumulation_steps"},
                {"learning_rate", "training.learning_rate", "", as_number},
                {"optimizer", "training.optim", "", as_mlx_optimizer},
                {"optimizer_config.adamw.weight_decay", "training.weight_decay", "", as_number},
                {"optimizer_config.adamw.eps", "training.adam_epsilon", "", as_number},
                {"optimizer_config.adamw.betas", "", "", as_betas},
                {"lr_schedule.name", "training.lr_scheduler_type", "", as_mlx_schedule},
                {"lr_schedule.warmup", "training.warmup_steps", "", as_warmup_steps},
                {.key = "lr_schedule.warmup_init",
                 .why = "the warm-up starts at 0",
                 .neutral = {0, 0.0}},
                {"lr_schedule.arguments", "training.min_lr_ratio", "", as_schedule_floor},
                {"grad_checkpoint", "training.gradient_checkpointing"},
                {"seed", "training.seed"},
                {"steps_per_report", "training.logging_steps", "", as_steps_of_batches},
                {"steps_per_eval", "training.eval_steps", "", as_steps_of_batches},
                {"save_every", "training.save_steps", "", as_steps_of_batches},
                {.key = "val_batches", .why = "all held-out rows are evaluated", .neutral = {-1}},
                {.key = "test", .why = "use `peft eval` on the test rows", .neutral = {false}}},
      .ignored = {"train", "num_layers", "test_batches", "wandb", "report_to", "project_name",
                  "config", "optimizer_config.adam.*", "optimizer_config.adamw.bias_correction",
                  "clear_cache_threshold"},
      .defaults = both({{"adapter.peft_type", "LORA"},
                        {"adapter.r", 8},
                        {"adapter.lora_dropout", 0.0},
                        {"data.train_on", "all"},
                        {"training.output_dir", "adapters"},
                        {"training.per_device_train_batch_size", 4},
                        {"training.gradient_accumulation_steps", 1},
                        {"training.learning_rate", 1e-5},
                        {"training.optim", "adamw"},
                        {"training.max_grad_norm", 0.0},
                        {"training.lr_scheduler_type", "constant"},
                        {"training.warmup_steps", 0},
                        {"training.gradient_checkpointing", false},
                        {"training.seed", 0},
                        {"training.save_total_limit", 0}},
                       batch_counts()),
      .finish = finish_mlx};
  return tool;
}

}  // namespace peft
