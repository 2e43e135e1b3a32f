// torchtune: the YAML of its LoRA recipes.
#include "migration.h"
#include "peft/util/text.h"

namespace peft {
namespace {

/// torchtune.models.llama3_2.lora_llama3_2_1b: LoRA, DoRA by a flag, or a full model.
Json as_builder(const ForeignKey& key, MigrationWork& work) {
  const std::string name = key.value.is_string() ? key.value.get<std::string>() : "";
  const std::string builder = name.substr(name.rfind('.') + 1);
  if (builder.starts_with("qlora_")) {
    work.left(key, kNoQuantisedBases);
  }
  return builder.starts_with("lora_") || builder.starts_with("qlora_") ? "LORA" : "FULL";
}

/// q_proj, k_proj, v_proj and output_proj, and the MLP's modules by a flag of their own.
Json as_attention_modules(const ForeignKey& key, MigrationWork& work) {
  Json names = Json::array();
  for (const Json& name : as_targets(key, work)) {
    names.push_back(name == "output_proj" ? Json("o_proj") : name);
  }
  if (work.theirs().value("model.apply_lora_to_mlp") == Json(true)) {
    for (const char* name : {"gate_proj", "up_proj", "down_proj"}) {
      names.push_back(name);
    }
  }
  return names;
}

Json as_adapted_head(const ForeignKey& key, MigrationWork& work) {
  work.refuse(key, "the head is never adapted; write false");
  return nullptr;
}

Json as_torchtune_schedule(const ForeignKey& key, MigrationWork& work) {
  const std::string name = key.value.is_string() ? key.value.get<std::string>() : "";
  if (name.ends_with("get_cosine_schedule_with_warmup")) {
    return "cosine";
  }
  return as_schedule(key, work);
}

Json as_torchtune_dtype(const ForeignKey& key, MigrationWork& work) {
  if (key.value == "bf16" || key.value == "fp32") {
    return key.value == "bf16" ? "bfloat16" : "float32";
  }
  work.left(key, fmt::format("{} is not available", json_excerpt(key.value)));
  return nullptr;
}

/// "json" as the source means that data_files names the rows.
Json as_source(const ForeignKey& key, MigrationWork& work) {
  return key.value == "json" ? Json() : as_data(key, work);
}

Json as_builder_of_rows(const ForeignKey& key, MigrationWork& work) {
  const std::string name = key.value.is_string() ? key.value.get<std::string>() : "";
  const std::string builder = name.substr(name.rfind('.') + 1);
  if (builder.starts_with("alpaca")) {
    return "instruct";
  }
  if (builder == "chat_dataset") {
    return "chat";
  }
  if (builder == "text_completion_dataset") {
    return "text";
  }
  work.left(key, fmt::format("{} is not known here; see data.format and data.columns",
                             json_excerpt(key.value)));
  return nullptr;
}

Json as_torchtune_mask(const ForeignKey& key, MigrationWork&) {
  return key.value == "train_on_all"    ? "all"
         : key.value == "train_on_last" ? "last_assistant"
                                        : "assistant";
}

Json as_trained_input(const ForeignKey& key, MigrationWork&) {
  return key.value == Json(true) ? "all" : "assistant";
}

Json as_torchtune_columns(const ForeignKey& key, MigrationWork& work) {
  const std::string ours = key.name.substr(key.name.rfind('.') + 1);
  Json columns = work.ours("data.columns");
  columns = columns.is_object() ? columns : Json::object();
  columns[ours] = key.value;
  work.set("data.columns", columns);
  return nullptr;
}

/// Steps of one epoch there.
Json as_steps_of_epochs(const ForeignKey& key, MigrationWork& work) {
  const double epochs = number_or(work.theirs().value("epochs"), 1.0);
  const double steps = number_or(key.value, 0.0);
  if (steps < 1.0) {
    return nullptr;
  }
  work.changed(key, fmt::format("training.max_steps {:.0f}: {:.0f} per epoch, {:.0f} epochs",
                                steps * epochs, steps, epochs));
  return static_cast<int64_t>(steps * epochs);
}

void finish_torchtune(MigrationWork& work) {
  if (work.has("training.max_steps")) {
    work.erase("training.num_train_epochs");
  }
  note_missing_length(work, "tokenizer.max_seq_len");
  const Json rows = work.theirs().value("dataset._component_");
  const bool alpaca =
      rows.is_string() && rows.get<std::string>().find("alpaca") != std::string::npos;
  if (!work.has("data.train_on") && alpaca) {
    work.set("data.train_on", "all");  // the default of that builder alone
  }
  if (!work.has("adapter.target_modules") && work.ours("adapter.peft_type") == "LORA") {
    const ForeignKey* const key = work.theirs().find("model._component_");
    work.refuse(key != nullptr ? *key : ForeignKey{"model", nullptr, 0},
                "model.lora_attn_modules is missing; it names what is adapted");
  }
}

}  // namespace

const MigrationTool& torchtune_tool() {
  static const MigrationTool tool = {
      .name = "torchtune",
      .title = "torchtune",
      .rules =
          {{"checkpointer.checkpoint_dir", "model.name_or_path"},
           {"dtype", "model.dtype", "", as_torchtune_dtype},
           {"model._component_", "adapter.peft_type", "", as_builder},
           {"model.lora_rank", "adapter.r"},
           {"model.lora_alpha", "adapter.lora_alpha"},
           {"model.lora_dropout", "adapter.lora_dropout", "", as_number},
           {"model.lora_attn_modules", "adapter.target_modules", "", as_attention_modules},
           {"model.use_dora", "adapter.use_dora"},
           {.key = "model.apply_lora_to_output", .translate = as_adapted_head, .neutral = {false}},
           {"dataset._component_", "data.format", "", as_builder_of_rows},
           {"dataset.source", "data.train", "", as_source},
           {"dataset.data_files", "data.train", "", as_data},
           {"dataset.train_on_input", "data.train_on", "", as_trained_input},
           {"dataset.masking_strategy", "data.train_on", "", as_torchtune_mask},
           {"dataset.column_map.input", "", "", as_torchtune_columns},
           {"dataset.column_map.output", "", "", as_torchtune_columns},
           {"dataset.column_map.instruction", "", "", as_torchtune_columns},
           {"dataset.conversation_column", "data.columns", "",
            [](const ForeignKey& key, MigrationWork&) {
              return Json{{"messages", key.value}};
            }},
           {"dataset.packed", "data.packing", "", as_packing},
           {.key = "dataset.new_system_prompt", .why = "put it into the rows"},
           {.key = "dataset.split", .why = "belongs to the hub's data set", .neutral = {"train"}},
           {"dataset_val.data_files", "data.eval", "", as_data},
           {"tokenizer.max_seq_len", "data.max_length"},
           {"shuffle", "data.shuffle"},
           {"output_dir", "training.output_dir"},
           {"epochs", "training.num_train_epochs", "", as_number},
           {"max_steps_per_epoch", "training.max_steps", "", as_steps_of_epochs},
           {"batch_size", "training.per_device_train_batch_size"},
           {"gradient_accumulation_steps", "training.gradient_accumulation_steps"},
           {"optimizer._component_", "training.optim", "", as_optimizer},
           {"optimizer.lr", "training.learning_rate", "", as_number},
           {"optimizer.weight_decay", "training.weight_decay", "", as_number},
           {"optimizer.eps", "training.adam_epsilon", "", as_number},
           {"optimizer.betas", "", "", as_betas},
           {"lr_scheduler._component_", "training.lr_scheduler_type", "", as_torchtune_schedule},
           {"lr_scheduler.num_warmup_steps", "training.warmup_steps", "", as_warmup_steps},
           {"clip_grad_norm", "training.max_grad_norm", "", as_number},
           {"enable_activation_checkpointing", "training.gradient_checkpointing"},
           {.key = "enable_activation_offloading",
            .why = "activations stay on the device",
            .neutral = {false}},
           {"seed", "training.seed"},
           {"log_every_n_steps", "training.logging_steps"},
           {"run_val_every_n_steps", "training.eval_steps"},
           {.key = "resume_from_checkpoint",
            .why = "runs go on by themselves",
            .neutral = {false}}},
      .ignored = {"model.apply_lora_to_mlp",
                  "tokenizer.*",
                  "checkpointer.*",
                  "loss.*",
                  "loss",
                  "device",
                  "compile",
                  "metric_logger.*",
                  "log_peak_memory_stats",
                  "log_level",
                  "profiler.*",
                  "save_adapter_weights_only",
                  "optimizer.fused",
                  "dataset.conversation_style",
                  "dataset.packed_seq_len",
                  "dataset_val.*",
                  "enable_async_checkpointing",
                  "base_dir",
                  "model_dir",
                  "optimizer_in_bwd",
                  "custom_sharded_layers"},
      .defaults = {{"model.dtype", "bfloat16"},
                   {"adapter.r", 8},
                   {"adapter.lora_alpha", 16},
                   {"adapter.lora_dropout", 0.0},
                   {"training.num_train_epochs", 1, {"training.max_steps"}},
                   {"training.per_device_train_batch_size", 2},
                   {"training.gradient_accumulation_steps", 8},
                   {"training.learning_rate", 3e-4},
                   {"training.weight_decay", 0.01},
                   {"training.warmup_steps", 100},
                   {"training.max_grad_norm", 0.0},
                   {"training.gradient_checkpointing", true},
                   {"training.save_total_limit", 0}},
      .finish = finish_torchtune};
  return tool;
}

}  // namespace peft
