#include "peft/methods/registry.h"

#include "methods.h"
#include "peft/config/run_task.h"

namespace peft {

const std::vector<MethodEntry>& method_entries() {
  static const std::vector<MethodEntry> table = {
      {"LORA", attach_lora},
      {"ADALORA", attach_adalora},
      {"IA3", attach_ia3},
      {"HOULSBY", attach_bottleneck},
      {"PFEIFFER", attach_bottleneck},
      {"PARALLEL", attach_bottleneck},
      {"PROMPT_TUNING", attach_prompt_tuning},
      {"P_TUNING", attach_prompt_tuning},
      {"PREFIX_TUNING", attach_prefix_tuning},
      {"ADAPTION_PROMPT", attach_llama_adapter},
      {"LN_TUNING", attach_ln_tuning},
      {"BITFIT", attach_bitfit},
      {"FULL", attach_full},
      {"VERA", attach_vera},
      {"OFT", attach_oft},
  };
  return table;
}

std::unique_ptr<Adapter> attach_adapter(CausalLM& model, const Json& config, uint64_t seed) {
  const bool classifies = is_for_classifier(config);
  check<UsageError>(!classifies || model.shape().classes() > 0,
                    "adapter.task_type: SEQ_CLS needs a classification head, and {} has none",
                    model.shape().architecture);
  const std::string type = config.at("peft_type").get<std::string>();
  for (const MethodEntry& entry : method_entries()) {
    if (type == entry.peft_type) {
      std::unique_ptr<Adapter> adapter = entry.attach(model, config, seed);
      if (classifies) {
        adapter->train_class_head(seed);
      }
      adapter->train(false);
      return adapter;
    }
  }
  fail<UsageError>("adapter.peft_type: no method is called \"{}\"", type);
}

}  // namespace peft
