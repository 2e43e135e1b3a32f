#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "peft/io/safetensors.h"

namespace peft {

/// A storage that a pickle refers to: a run of elements that lie elsewhere in the file.
struct PickledStorage {
  Dtype dtype = Dtype::kU8;  ///< of an untyped storage: bytes
  int64_t elements = 0;

  bool operator==(const PickledStorage&) const = default;
};

/// A tensor over a storage; offset and strides count elements of `dtype`.
struct PickledTensor {
  std::string storage;
  Dtype dtype = Dtype::kF32;
  int64_t offset = 0;
  std::vector<int64_t> shape, strides;
};

/// One value of a pickle; it stays where it is while others are made. Values refer to each other by
/// number; they may form cycles.
struct PickledValue {
  enum class Kind {
    kNone,
    kBool,
    kInt,
    kFloat,
    kText,
    kTuple,
    kList,
    kDict,
    kGlobal,
    kStorage,
    kTensor
  };

  Kind kind = Kind::kNone;
  int64_t number = 0;              ///< of kBool and kInt
  std::string text = {};           ///< of kText; the name of kGlobal; the key of kStorage
  std::vector<size_t> items = {};  ///< of kTuple and kList; of kDict: key, value, key, value ...
  size_t tensor = 0;               ///< of kTensor: which of Pickle::tensors
};

/// What a pickle built.
struct Pickle {
  std::deque<PickledValue> values;
  std::deque<PickledTensor> tensors;
  std::map<std::string, PickledStorage> storages;  ///< by key
  size_t root = 0;
  uint64_t bytes = 0;  ///< how many it took
};

/// Runs a pickle as data: the opcodes that torch writes, and no call but those that make tensors of
/// storages (torch._utils._rebuild_tensor_v2, _rebuild_tensor_v3, _rebuild_parameter, torch.Size,
/// collections.OrderedDict). Nothing else is looked up by name, and nothing is executed. Throws
/// ModelError that names the byte and, where there is one, what was asked for. `where` names the
/// file.
Pickle read_pickle(std::string_view bytes, const std::string& where);

}  // namespace peft
