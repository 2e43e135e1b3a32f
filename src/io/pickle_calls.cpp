// What a pickle may name and call.
#include "peft/util/text.h"
#include "pickle_globals.h"
#include "pickle_machine.h"

namespace peft {
namespace {

constexpr size_t kHighestTensorRank = 8;
constexpr size_t kLongestKey = 1024;

}  // namespace

void PickleMachine::push_global() {
  const std::string module = line();
  const std::string name = module + "." + line();
  if (!is_allowed_global(name)) {
    refuse("asks for \"{}\", which no file of weights needs; refused", escaped(name));
  }
  push({.kind = Kind::kGlobal, .text = name});
}

/// ("storage", type, key, location, elements); old files add a view, which must be None.
void PickleMachine::push_storage() {
  const PickledValue& id = at(pop());
  require(id.kind == Kind::kTuple && (id.items.size() == 5 || id.items.size() == 6) &&
              at(id.items[0]).text == "storage",
          "a reference that is no storage");
  const std::string type = argument(id, 1, Kind::kGlobal, "type of a storage").text;
  const std::string key = argument(id, 2, Kind::kText, "key of a storage").text;
  require(key.size() <= kLongestKey, "a storage whose key has {} bytes", key.size());
  const bool untyped = type == kUntypedStorage;
  const auto dtype = untyped ? std::optional(Dtype::kU8) : storage_dtype(type);
  require(dtype.has_value(), "\"{}\" is no type of storages", type);
  require(id.items.size() == 5 || at(id.items[5]).kind == Kind::kNone,
          "a view of a storage, as torch before 0.4 wrote them");
  const PickledStorage storage{*dtype, argument(id, 4, Kind::kInt, "size of a storage").number};
  require(storage.elements >= 0, "a storage of {} elements", storage.elements);
  const auto known = pickle_.storages.emplace(key, storage).first;
  if (!(known->second == storage)) {
    refuse("storage \"{}\" is described in two ways", escaped(key));
  }
  push({.kind = Kind::kStorage, .text = key});
}

PickledValue& PickleMachine::argument(const PickledValue& arguments, size_t index, Kind kind,
                                      const char* what) {
  require(index < arguments.items.size() && at(arguments.items[index]).kind == kind,
          "the {} is of another kind", what);
  return at(arguments.items[index]);
}

std::vector<int64_t> PickleMachine::sizes_of(const PickledValue& tuple, const char* what) {
  require(tuple.items.size() <= kHighestTensorRank, "{}: {} dimensions", what, tuple.items.size());
  std::vector<int64_t> sizes;
  for (size_t i = 0; i < tuple.items.size(); ++i) {
    sizes.push_back(argument(tuple, i, Kind::kInt, what).number);
    require(sizes.back() >= 0, "{}: {}", what, sizes.back());
  }
  return sizes;
}

/// (storage, offset, shape, strides, requires_grad, hooks[, dtype][, metadata])
void PickleMachine::rebuild_tensor(const std::string& function, const PickledValue& arguments) {
  PickledTensor tensor;
  tensor.storage = argument(arguments, 0, Kind::kStorage, "storage of a tensor").text;
  tensor.dtype = pickle_.storages.at(tensor.storage).dtype;
  tensor.offset = argument(arguments, 1, Kind::kInt, "offset of a tensor").number;
  tensor.shape = sizes_of(argument(arguments, 2, Kind::kTuple, "shape of a tensor"), "shape");
  tensor.strides = sizes_of(argument(arguments, 3, Kind::kTuple, "strides of a tensor"), "strides");
  require(tensor.offset >= 0 && tensor.shape.size() == tensor.strides.size(),
          "a tensor whose shape and strides do not fit each other");
  if (function == kTensorV3) {
    const std::string name = argument(arguments, 6, Kind::kGlobal, "dtype of a tensor").text;
    const std::optional<Dtype> dtype = torch_dtype(name);
    require(dtype.has_value(), "\"{}\" is no dtype", name);
    tensor.dtype = *dtype;
  }
  pickle_.tensors.push_back(std::move(tensor));
  push({.kind = Kind::kTensor, .tensor = pickle_.tensors.size() - 1});
}

void PickleMachine::call() {
  const PickledValue& arguments = at(pop());
  const PickledValue& function = at(pop());
  require(function.kind == Kind::kGlobal && arguments.kind == Kind::kTuple,
          "a call of what is no function");
  const std::string& name = function.text;
  if (name == kTensorV2 || name == kTensorV3) {
    rebuild_tensor(name, arguments);
  } else if (name == kParameter) {
    require(!arguments.items.empty() && at(arguments.items[0]).kind == Kind::kTensor,
            "a parameter of what is no tensor");
    push_number(arguments.items[0]);
  } else if (name == kSize) {
    argument(arguments, 0, Kind::kTuple, "size");
    push_number(arguments.items[0]);
  } else {
    require(name == kOrderedDict && arguments.items.empty(), "a call of \"{}\"; refused", name);
    push({.kind = Kind::kDict});
  }
}

/// An OrderedDict's attributes (a state_dict's _metadata) say nothing about tensors.
void PickleMachine::build() {
  pop();
  require(at(top()).kind == Kind::kDict, "sets the state of what is no dictionary; refused");
}

}  // namespace peft
