#include "pickle.h"

#include <array>
#include <cstring>
#include <optional>
#include <unordered_map>

#include "peft/util/error.h"
#include "peft/util/text.h"

namespace peft {
namespace {

constexpr size_t kMostValues = 4'000'000;
constexpr size_t kDeepestStack = 1'000'000;
constexpr size_t kHighestTensorRank = 8;
constexpr size_t kLongestGlobal = 256;
constexpr size_t kLongestKey = 1024;

struct NamedDtype {
  const char* name;
  Dtype dtype;
};

constexpr std::array<NamedDtype, 10> kStorages = {{{"torch.FloatStorage", Dtype::kF32},
                                                   {"torch.HalfStorage", Dtype::kF16},
                                                   {"torch.BFloat16Storage", Dtype::kBF16},
                                                   {"torch.DoubleStorage", Dtype::kF64},
                                                   {"torch.LongStorage", Dtype::kI64},
                                                   {"torch.IntStorage", Dtype::kI32},
                                                   {"torch.ShortStorage", Dtype::kI16},
                                                   {"torch.CharStorage", Dtype::kI8},
                                                   {"torch.ByteStorage", Dtype::kU8},
                                                   {"torch.BoolStorage", Dtype::kBool}}};

constexpr std::array<NamedDtype, 15> kTorchDtypes = {{{"torch.float32", Dtype::kF32},
                                                      {"torch.float16", Dtype::kF16},
                                                      {"torch.bfloat16", Dtype::kBF16},
                                                      {"torch.float64", Dtype::kF64},
                                                      {"torch.int64", Dtype::kI64},
                                                      {"torch.int32", Dtype::kI32},
                                                      {"torch.int16", Dtype::kI16},
                                                      {"torch.int8", Dtype::kI8},
                                                      {"torch.uint8", Dtype::kU8},
                                                      {"torch.uint16", Dtype::kU16},
                                                      {"torch.uint32", Dtype::kU32},
                                                      {"torch.uint64", Dtype::kU64},
                                                      {"torch.bool", Dtype::kBool},
                                                      {"torch.float8_e4m3fn", Dtype::kF8E4M3},
                                                      {"torch.float8_e5m2", Dtype::kF8E5M2}}};

constexpr const char* kUntypedStorage = "torch.storage.UntypedStorage";
constexpr const char* kTensorV2 = "torch._utils._rebuild_tensor_v2";
constexpr const char* kTensorV3 = "torch._utils._rebuild_tensor_v3";
constexpr const char* kParameter = "torch._utils._rebuild_parameter";
constexpr const char* kSize = "torch.Size";
constexpr const char* kOrderedDict = "collections.OrderedDict";

template <size_t N>
std::optional<Dtype> dtype_in(const std::array<NamedDtype, N>& table, const std::string& name) {
  for (const NamedDtype& entry : table) {
    if (name == entry.name) {
      return entry.dtype;
    }
  }
  return std::nullopt;
}

bool is_allowed(const std::string& global) {
  for (const char* name :
       {kUntypedStorage, kTensorV2, kTensorV3, kParameter, kSize, kOrderedDict}) {
    if (global == name) {
      return true;
    }
  }
  return dtype_in(kStorages, global) || dtype_in(kTorchDtypes, global);
}

/// The stack machine. Values live in the result; the stack holds their numbers.
class PickleMachine {
 public:
  PickleMachine(std::string_view bytes, const std::string& where) : bytes_(bytes), where_(where) {}

  Pickle run();

 private:
  using Kind = PickledValue::Kind;

  template <class... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args) const {
    fail<ModelError>("{}: pickle, byte {}: {}", where_, begin_,
                     fmt::format(format, std::forward<Args>(args)...));
  }
  template <class... Args>
  void require(bool condition, fmt::format_string<Args...> format, Args&&... args) const {
    if (!condition) {
      refuse(format, std::forward<Args>(args)...);
    }
  }

  // Reading.
  std::string_view take(uint64_t count) {
    require(count <= bytes_.size() - offset_, "{} bytes needed, {} left", count,
            bytes_.size() - offset_);
    const std::string_view taken = bytes_.substr(offset_, count);
    offset_ += count;
    return taken;
  }
  template <class T>
  T number() {
    T value{};
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }
  std::string line();
  int64_t long_number();

  // The stack.
  PickledValue& at(size_t value) { return pickle_.values[value]; }
  void push_number(size_t value) {
    require(stack_.size() < kDeepestStack, "more than {} values on the stack", kDeepestStack);
    stack_.push_back(value);
  }
  void push(PickledValue value) {
    require(pickle_.values.size() < kMostValues, "more than {} values", kMostValues);
    pickle_.values.push_back(std::move(value));
    push_number(pickle_.values.size() - 1);
  }
  size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  size_t pop() {
    require(stack_.size() > floor(), "nothing on the stack");
    const size_t value = stack_.back();
    stack_.pop_back();
    return value;
  }
  size_t top() {
    require(stack_.size() > floor(), "nothing on the stack");
    return stack_.back();
  }
  std::vector<size_t> pop_to_mark();
  std::vector<size_t> pop_some(size_t count);

  // Opcodes.
  bool step();
  bool step_number(unsigned char code);
  bool step_container(unsigned char code);
  void put(uint32_t index) { memo_[index] = top(); }
  void get(uint32_t index);
  void push_global();
  void push_storage();
  void append(std::vector<size_t> items);
  void set_items(std::vector<size_t> items);
  void call();
  void build();

  // What may be called.
  PickledValue& argument(const PickledValue& arguments, size_t index, Kind kind, const char* what);
  std::vector<int64_t> sizes_of(const PickledValue& tuple, const char* what);
  void rebuild_tensor(const std::string& function, const PickledValue& arguments);

  std::string_view bytes_;
  const std::string& where_;
  uint64_t begin_ = 0;   // of the opcode at work
  uint64_t offset_ = 0;  // of the next byte
  Pickle pickle_;
  std::vector<size_t> stack_;
  std::vector<size_t> marks_;
  std::unordered_map<uint32_t, size_t> memo_;
};

std::string PickleMachine::line() {
  const size_t end = bytes_.find('\n', offset_);
  require(end != std::string_view::npos && end - offset_ <= kLongestGlobal,
          "a name without an end");
  const std::string_view text = take(end - offset_ + 1);
  return std::string(text.substr(0, text.size() - 1));
}

/// Little-endian two's complement of up to eight bytes.
int64_t PickleMachine::long_number() {
  const auto count = number<uint8_t>();
  require(count <= sizeof(int64_t), "a number of {} bytes", count);
  const std::string_view bytes = take(count);
  uint64_t value = count > 0 && (bytes.back() & 0x80) != 0 ? ~uint64_t{0} : 0;
  for (size_t i = count; i-- > 0;) {
    value = value << 8 | static_cast<unsigned char>(bytes[i]);
  }
  return static_cast<int64_t>(value);
}

std::vector<size_t> PickleMachine::pop_to_mark() {
  require(!marks_.empty(), "no mark on the stack");
  const auto begin = stack_.begin() + static_cast<ptrdiff_t>(marks_.back());
  std::vector<size_t> items(begin, stack_.end());
  stack_.erase(begin, stack_.end());
  marks_.pop_back();
  return items;
}

std::vector<size_t> PickleMachine::pop_some(size_t count) {
  std::vector<size_t> items(count);
  for (size_t i = count; i-- > 0;) {
    items[i] = pop();
  }
  return items;
}

void PickleMachine::get(uint32_t index) {
  const auto found = memo_.find(index);
  require(found != memo_.end(), "nothing was stored under {}", index);
  push_number(found->second);
}

void PickleMachine::push_global() {
  const std::string module = line();
  const std::string name = module + "." + line();
  if (!is_allowed(name)) {
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
  const auto dtype = untyped ? std::optional(Dtype::kU8) : dtype_in(kStorages, type);
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

void PickleMachine::append(std::vector<size_t> items) {
  PickledValue& list = at(top());
  require(list.kind == Kind::kList, "something is appended to what is no list");
  list.items.insert(list.items.end(), items.begin(), items.end());
}

void PickleMachine::set_items(std::vector<size_t> items) {
  PickledValue& dict = at(top());
  require(dict.kind == Kind::kDict && items.size() % 2 == 0,
          "something is stored in what is no dictionary");
  dict.items.insert(dict.items.end(), items.begin(), items.end());
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
    const std::optional<Dtype> dtype = dtype_in(kTorchDtypes, name);
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

bool PickleMachine::step_number(unsigned char code) {
  switch (code) {
    case 'N':
      push({.kind = Kind::kNone});
      return true;
    case 0x88:
    case 0x89:
      push({.kind = Kind::kBool, .number = code == 0x88});
      return true;
    case 'K':
      push({.kind = Kind::kInt, .number = number<uint8_t>()});
      return true;
    case 'M':
      push({.kind = Kind::kInt, .number = number<uint16_t>()});
      return true;
    case 'J':
      push({.kind = Kind::kInt, .number = number<int32_t>()});
      return true;
    case 0x8a:
      push({.kind = Kind::kInt, .number = long_number()});
      return true;
    case 'G':  // nothing that is read needs its value
      take(sizeof(double));
      push({.kind = Kind::kFloat});
      return true;
    case 'X':
    case 'T':
      push({.kind = Kind::kText, .text = std::string(take(number<uint32_t>()))});
      return true;
    case 'U':
      push({.kind = Kind::kText, .text = std::string(take(number<uint8_t>()))});
      return true;
    default:
      return false;
  }
}

bool PickleMachine::step_container(unsigned char code) {
  switch (code) {
    case '}':
      push({.kind = Kind::kDict});
      return true;
    case ']':
      push({.kind = Kind::kList});
      return true;
    case ')':
      push({.kind = Kind::kTuple});
      return true;
    case 't':
      push({.kind = Kind::kTuple, .items = pop_to_mark()});
      return true;
    case 0x85:
    case 0x86:
    case 0x87:
      push({.kind = Kind::kTuple, .items = pop_some(code - 0x84)});
      return true;
    case 'a':
      append(pop_some(1));
      return true;
    case 'e':
      append(pop_to_mark());
      return true;
    case 's':
      set_items(pop_some(2));
      return true;
    case 'u':
      set_items(pop_to_mark());
      return true;
    default:
      return false;
  }
}

/// One opcode; false at the end of the pickle.
bool PickleMachine::step() {
  begin_ = offset_;
  const auto code = number<uint8_t>();
  if (step_number(code) || step_container(code)) {
    return true;
  }
  switch (code) {
    case '.':
      return false;
    case '(':
      require(marks_.size() < kDeepestStack, "more than {} marks", kDeepestStack);
      marks_.push_back(stack_.size());
      break;
    case 'q':
      put(number<uint8_t>());
      break;
    case 'r':
      put(number<uint32_t>());
      break;
    case 'h':
      get(number<uint8_t>());
      break;
    case 'j':
      get(number<uint32_t>());
      break;
    case 'c':
      push_global();
      break;
    case 'Q':
      push_storage();
      break;
    case 'R':
      call();
      break;
    case 'b':
      build();
      break;
    default:
      refuse("the opcode 0x{:02x}, which torch does not write; refused", code);
  }
  return true;
}

Pickle PickleMachine::run() {
  require(number<uint8_t>() == 0x80 && number<uint8_t>() == 2, "expected protocol 2");
  while (step()) {
  }
  require(stack_.size() == 1 && marks_.empty(), "{} values at its end", stack_.size());
  pickle_.root = stack_.front();
  pickle_.bytes = offset_;
  return std::move(pickle_);
}

}  // namespace

Pickle read_pickle(std::string_view bytes, const std::string& where) {
  return PickleMachine(bytes, where).run();
}

}  // namespace peft
