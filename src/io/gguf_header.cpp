#include "peft/io/gguf_header.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "peft/util/error.h"
#include "peft/util/text.h"

namespace peft {
namespace {

constexpr uint64_t kLongestName = 1024;
constexpr size_t kWindow = size_t{1} << 20;  // bytes of the header held at once

/// The types of values, with the format's numbers.
enum class ValueType : uint32_t {
  kU8,
  kI8,
  kU16,
  kI16,
  kU32,
  kI32,
  kF32,
  kBool,
  kString,
  kArray,
  kU64,
  kI64,
  kF64
};

/// The shortest decimal number that rounds to this float: 1e-05, not 9.99999974737875e-06.
double shortest(float value) {
  const std::string text = fmt::format("{}", value);
  double result = value;  // stays for NaN and infinity
  if (std::isfinite(value)) {
    std::from_chars(text.data(), text.data() + text.size(), result);
  }
  return result;
}

/// Bytes that a value of the type needs at least; bounds the length of a list before it is made.
uint64_t smallest_size(uint32_t type) {
  switch (static_cast<ValueType>(type)) {
    case ValueType::kU8:
    case ValueType::kI8:
    case ValueType::kBool:
      return 1;
    case ValueType::kU16:
    case ValueType::kI16:
      return 2;
    case ValueType::kU32:
    case ValueType::kI32:
    case ValueType::kF32:
      return 4;
    default:
      return 8;
  }
}

}  // namespace

void GgufHeaderReader::need(uint64_t count) const {
  check<ModelError>(count <= left(),
                    "{}: the header is cut short: {} bytes needed at offset {}, {} left", where(),
                    count, offset_, left());
}

void GgufHeaderReader::take(std::span<std::byte> destination) {
  need(destination.size());
  if (destination.size() > kWindow) {
    file_.read(offset_, destination);
    offset_ += destination.size();
    return;
  }
  const bool held =
      offset_ >= window_begin_ && offset_ + destination.size() <= window_begin_ + window_.size();
  if (!held) {
    window_begin_ = offset_;
    window_.resize(static_cast<size_t>(std::min<uint64_t>(kWindow, left())));
    file_.read(window_begin_, window_);
  }
  std::copy_n(window_.begin() + static_cast<ptrdiff_t>(offset_ - window_begin_), destination.size(),
              destination.begin());
  offset_ += destination.size();
}

std::string GgufHeaderReader::string() {
  const auto length = number<uint64_t>();
  need(length);
  std::string text(static_cast<size_t>(length), '\0');
  take(std::as_writable_bytes(std::span(text)));
  return text;
}

std::string GgufHeaderReader::name(const std::string& what) {
  std::string name = string();
  check<ModelError>(!name.empty() && name.size() <= kLongestName && escaped(name) == name,
                    "{}: {} \"{}\": expected 1 to {} printable bytes, found {}", where(), what,
                    escaped(name.substr(0, 60)), kLongestName, name.size());
  return name;
}

Json GgufHeaderReader::scalar(uint32_t type, const std::string& key) {
  switch (static_cast<ValueType>(type)) {
    case ValueType::kU8:
      return number<uint8_t>();
    case ValueType::kI8:
      return number<int8_t>();
    case ValueType::kU16:
      return number<uint16_t>();
    case ValueType::kI16:
      return number<int16_t>();
    case ValueType::kU32:
      return number<uint32_t>();
    case ValueType::kI32:
      return number<int32_t>();
    case ValueType::kU64:
      return number<uint64_t>();
    case ValueType::kI64:
      return number<int64_t>();
    case ValueType::kF32:
      return shortest(number<float>());
    case ValueType::kF64:
      return number<double>();
    case ValueType::kBool: {
      const auto byte = number<uint8_t>();
      check<ModelError>(byte <= 1, "{}: {}: expected a boolean, found {}", where(), key, byte);
      return byte == 1;
    }
    case ValueType::kString: {
      std::string text = string();
      check<ModelError>(is_utf8(text), "{}: {}: \"{}\" is not UTF-8", where(), key,
                        escaped(text.substr(0, 60)));
      return text;
    }
    case ValueType::kArray:
      fail<ModelError>("{}: {}: lists of lists are not supported", where(), key);
  }
  fail<ModelError>("{}: {}: unknown value type {}", where(), key, type);
}

Json GgufHeaderReader::value(const std::string& key) {
  const auto type = number<uint32_t>();
  if (static_cast<ValueType>(type) != ValueType::kArray) {
    return scalar(type, key);
  }
  const auto element = number<uint32_t>();
  const auto count = number<uint64_t>();
  check<ModelError>(count <= left() / smallest_size(element),
                    "{}: {}: a list of {} elements in the {} bytes left", where(), key, count,
                    left());
  Json list = Json::array();
  for (uint64_t i = 0; i < count; ++i) {
    list.push_back(scalar(element, key));
  }
  return list;
}

}  // namespace peft
