#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace peft {

/// Builds GGUF files for tests, right and wrong ones, field by field.
class GgufBuilder {
 public:
  template <class T>
  static std::string number(T value) {
    return std::string(reinterpret_cast<const char*>(&value), sizeof value);
  }
  static std::string text(std::string_view value) {
    return number<uint64_t>(value.size()) + std::string(value);
  }

  /// A key with a value of a type's number, its bytes given.
  GgufBuilder& raw(std::string_view key, uint32_t type, std::string_view bytes) {
    values_ += text(key) + number(type) + std::string(bytes);
    ++value_count_;
    return *this;
  }
  GgufBuilder& u32(std::string_view key, uint32_t value) { return raw(key, 4, number(value)); }
  GgufBuilder& f32(std::string_view key, float value) { return raw(key, 6, number(value)); }
  GgufBuilder& flag(std::string_view key, bool value) {
    return raw(key, 7, number<uint8_t>(value ? 1 : 0));
  }
  GgufBuilder& string(std::string_view key, std::string_view value) {
    return raw(key, 8, text(value));
  }
  GgufBuilder& strings(std::string_view key, const std::vector<std::string>& list) {
    std::string bytes = number<uint32_t>(8) + number<uint64_t>(list.size());
    for (const std::string& item : list) {
      bytes += text(item);
    }
    return raw(key, 9, bytes);
  }
  template <class T>
  GgufBuilder& numbers(std::string_view key, uint32_t type, const std::vector<T>& list) {
    std::string bytes = number(type) + number<uint64_t>(list.size());
    for (const T item : list) {
      bytes += number(item);
    }
    return raw(key, 9, bytes);
  }

  /// A tensor; `sizes` innermost first, as the file stores them.
  GgufBuilder& tensor(std::string_view name, const std::vector<uint64_t>& sizes, uint32_t type,
                      uint64_t offset) {
    tensors_ += text(name) + number(static_cast<uint32_t>(sizes.size()));
    for (const uint64_t size : sizes) {
      tensors_ += number(size);
    }
    tensors_ += number(type) + number(offset);
    ++tensor_count_;
    return *this;
  }

  /// The file with `data` behind the header.
  std::string file(std::string_view data = "", uint32_t version = 3) const {
    std::string bytes = "GGUF" + number(version) + number(tensor_count_) + number(value_count_) +
                        values_ + tensors_;
    bytes.resize((bytes.size() + 31) / 32 * 32, '\0');
    return bytes + std::string(data);
  }

 private:
  std::string values_;
  std::string tensors_;
  uint64_t value_count_ = 0;
  uint64_t tensor_count_ = 0;
};

}  // namespace peft
