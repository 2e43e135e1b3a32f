#include "peft/config/keys.h"

namespace peft {

const std::vector<Lookalike>& lookalikes() {
  const char* const scale =
      "not alpha. mlx-lm's scale is alpha / r; for r = {r} write \"lora_alpha\": {alpha}";
  const char* const mask =
      "tools disagree on what this masks; write \"train_on\": \"assistant\" (answers only), "
      "\"completion\" (all after the prompt) or \"all\"";
  static const std::vector<Lookalike> all = {
      {"scale", scale},
      {"lora_parameters.scale", scale},
      {"mask_prompt", mask},
      {"train_on_prompt", mask},
      {"train_on_input", mask},
      {"train_on_inputs", mask},
      {"train_on_completions", mask},
      {"completion_only_loss", mask},
      {"masking_strategy", mask},
      {"roles_to_train", mask},
      {"batch_size",
       "means rows per step in one tool and rows per forward pass in another; write "
       "\"per_device_train_batch_size\" (one forward pass) or \"global_batch_size\" (one optimizer "
       "step)"},
      {"iters",
       "counts batches, not optimizer steps; write \"max_steps\": iters / "
       "gradient_accumulation_steps"},
      {"max_steps_per_epoch", "counts per epoch; write \"max_steps\", the steps of the whole run"},
      {"num_layers",
       "mlx-lm adapts the top blocks only; write their numbers in \"layers_to_transform\""},
      {"lora_attn_modules",
       "torchtune's module names differ; write \"target_modules\" with the checkpoint's (o_proj, "
       "not output_proj)"},
      {"apply_lora_to_mlp",
       "write \"target_modules\": \"all-linear\", or a list with or without the MLP's modules"},
      {"apply_lora_to_output", "the head is never adapted; leave it out"},
      {"pissa_init", "write \"init_lora_weights\": \"pissa\""},
      {"dataset_test_split",
       "names a split of a hub's data set; write \"eval\" with a file of held-out rows"},
      {"optimizer.betas", "write \"adam_beta1\" and \"adam_beta2\""},
      {"evals_per_epoch", "write \"eval_steps\"; left out, each epoch ends with an evaluation"},
      {"eval_strategy",
       "write \"eval_steps\": N for every N steps, 0 for never; left out, each epoch ends with an "
       "evaluation"},
      {"evaluation_strategy",
       "write \"eval_steps\": N for every N steps, 0 for never; left out, each epoch ends with an "
       "evaluation"},
      {"data_seed", "one \"seed\" drives the adapter's start, the order of rows and dropout"},
      {"disable_gradient_checkpointing",
       "gradient checkpointing is not available in this version; leave it out"},
      {"logging_nan_inf_filter", "a loss that is not finite always stops the run; leave it out"},
      {"lr_scheduler_kwargs", "write \"min_lr_ratio\" for the floor of the schedule"},
      {"dataset_text_column", "write \"columns\": {\"text\": \"the file's name\"}"},
  };
  return all;
}

}  // namespace peft
