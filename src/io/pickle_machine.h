#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "peft/util/error.h"
#include "pickle.h"

namespace peft {

/// The stack machine of read_pickle, for one run: its opcodes are in pickle.cpp, what they may name
/// and call in pickle_calls.cpp. Values live in the result; the stack holds their numbers.
class PickleMachine {
 public:
  PickleMachine(std::string_view bytes, const std::string& where) : bytes_(bytes), where_(where) {}

  Pickle run();

 private:
  using Kind = PickledValue::Kind;

  static constexpr size_t kMostValues = 4'000'000;
  static constexpr size_t kDeepestStack = 1'000'000;

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

}  // namespace peft
