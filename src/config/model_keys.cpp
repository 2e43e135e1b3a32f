// Keys of the section `model`.
#include "section_keys.h"

namespace peft {

using enum ValueType;

const std::vector<Key>& model_keys() {
  static const std::vector<Key> keys = {
      {.name = "name_or_path",
       .types = {kString},
       .fallback = std::nullopt,
       .aliases = {{"model_name_or_path"},
                   {"base_model"},
                   {"checkpointer.checkpoint_dir"},
                   {"model.name"}},
       .summary = "folder of the base model, in Hugging Face's layout"},
      {.name = "dtype",
       .types = {kString},
       .fallback = "auto",
       .choices = {"auto", "float32", "bfloat16", "float16"},
       .synonyms = {{"fp32", "float32"}, {"bf16", "bfloat16"}, {"fp16", "float16"}},
       .aliases = {{"torch_dtype"},
                   {"bf16", {{true, "bfloat16"}, {false, nullptr}}},
                   {"fp16", {{true, "float16"}, {false, nullptr}}}},
       .summary = "type to compute in; auto: the fastest of the processor that loses nothing"},
      {.name = "quantization",
       .types = {kString},
       .fallback = nullptr,
       .aliases = {{"load_in_4bit"},
                   {"load_in_8bit"},
                   {"quantization_bit"},
                   {"quant_method"},
                   {"quant_bits"}},
       .support = Support::kNeutral,
       .missing = "quantised models are not available in this version",
       .neutral = {false}},
      {.name = "attn_implementation",
       .types = {kString},
       .fallback = "auto",
       .aliases = {{"flash_attn"}, {"attn_impl"}},
       .support = Support::kNeutral,
       .missing = "the kernel is chosen automatically",
       .neutral = {"auto"}},
      {.name = "num_labels",
       .types = {kInt},
       .fallback = nullptr,
       .least = 1,
       .most = 1e6,
       .summary = "classes of a new classification head (adapter.task_type SEQ_CLS); 1: predict a "
                  "number",
       .automatic = "the labels of the training rows"},
      {.name = "allow_pickle",
       .types = {kBool},
       .fallback = false,
       .summary = "read pytorch_model.bin and adapter_model.bin, as tensors alone, where a folder "
                  "has no safetensors"},
  };
  return keys;
}

}  // namespace peft
