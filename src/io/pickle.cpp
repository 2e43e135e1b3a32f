#include "pickle.h"

#include "pickle_machine.h"

namespace peft {
namespace {

constexpr size_t kLongestGlobal = 256;

}  // namespace

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

Pickle read_pickle(std::string_view bytes, const std::string& where) {
  return PickleMachine(bytes, where).run();
}

}  // namespace peft
