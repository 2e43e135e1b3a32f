#pragma once

#include <optional>
#include <string>

#include "peft/io/safetensors.h"

namespace peft {

// What a pickle may name beside types of storages and dtypes.
inline constexpr const char* kUntypedStorage = "torch.storage.UntypedStorage";
inline constexpr const char* kTensorV2 = "torch._utils._rebuild_tensor_v2";
inline constexpr const char* kTensorV3 = "torch._utils._rebuild_tensor_v3";
inline constexpr const char* kParameter = "torch._utils._rebuild_parameter";
inline constexpr const char* kSize = "torch.Size";
inline constexpr const char* kOrderedDict = "collections.OrderedDict";

/// The dtype of a type of storages ("torch.FloatStorage"), or nothing.
std::optional<Dtype> storage_dtype(const std::string& name);
/// The dtype that torch calls so ("torch.float32"), or nothing.
std::optional<Dtype> torch_dtype(const std::string& name);
/// Whether a pickle may name this: the whole allow-list.
bool is_allowed_global(const std::string& name);

}  // namespace peft
