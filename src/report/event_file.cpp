#include "peft/report/event_file.h"

#include <array>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "peft/util/error.h"
#include "peft/util/log.h"

namespace peft {
namespace {

constexpr uint32_t kPolynomial = 0x82F63B78U;  // of CRC-32C, bits reversed

constexpr std::array<uint32_t, 256> kTable = [] {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) {
      value = (value >> 1) ^ ((value & 1U) != 0 ? kPolynomial : 0U);
    }
    table[i] = value;
  }
  return table;
}();

/// TFRecord's checksums are rotated, so that one over data that holds checksums stays strong.
uint32_t masked_crc32c(std::string_view bytes) {
  const uint32_t value = crc32c(bytes);
  return ((value >> 15) | (value << 17)) + 0xA282EAD8U;
}

// Protocol buffers, written by hand: a field is its number and wire type, then its bytes.
enum class Wire { kVarint = 0, kFixed64 = 1, kLength = 2, kFixed32 = 5 };

void append_varint(std::string& text, uint64_t value) {
  while (value >= 0x80) {
    text.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  text.push_back(static_cast<char>(value));
}

template <class T>
void append_little_endian(std::string& text, T value) {
  for (size_t i = 0; i < sizeof(T); ++i) {
    text.push_back(static_cast<char>(value >> (8 * i)));
  }
}

void append_key(std::string& text, int field, Wire wire) {
  append_varint(text, static_cast<uint64_t>(field) << 3 | static_cast<uint64_t>(wire));
}

void append_bytes(std::string& text, int field, std::string_view bytes) {
  append_key(text, field, Wire::kLength);
  append_varint(text, bytes.size());
  text += bytes;
}

// tensorflow/core/util/event.proto: wall_time 1, step 2, file_version 3, summary 5.
std::string event_of(double now, int64_t step) {
  std::string event;
  append_key(event, 1, Wire::kFixed64);
  append_little_endian(event, std::bit_cast<uint64_t>(now));
  append_key(event, 2, Wire::kVarint);
  append_varint(event, static_cast<uint64_t>(step));
  return event;
}

// tensorflow/core/framework/summary.proto: Summary.value 1; Value.tag 1, simple_value 2.
std::string scalar_of(const std::string& tag, double value) {
  std::string scalar;
  append_bytes(scalar, 1, tag);
  append_key(scalar, 2, Wire::kFixed32);
  append_little_endian(scalar, std::bit_cast<uint32_t>(static_cast<float>(value)));
  std::string summary;
  append_bytes(summary, 1, scalar);
  return summary;
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  uint32_t value = 0xFFFFFFFFU;
  for (const char c : bytes) {
    value = (value >> 8) ^ kTable[(value ^ static_cast<unsigned char>(c)) & 0xFFU];
  }
  return value ^ 0xFFFFFFFFU;
}

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

EventFile::EventFile(const std::filesystem::path& folder, double now)
    : path_(folder / fmt::format("events.out.tfevents.{:.0f}.peft", now)),
      file_(std::fopen(path_.c_str(), "we")) {
  check<IoError>(file_ != nullptr, "{}: {}", path_.string(), std::strerror(errno));
  std::string event = event_of(now, 0);
  append_bytes(event, 3, "brain.Event:2");
  append(event);
}

void EventFile::write(int64_t step, const Scalars& scalars, double now) {
  std::string event = event_of(now, step);
  std::string summary;
  for (const auto& [tag, value] : scalars) {
    summary += scalar_of(tag, value);
  }
  append_bytes(event, 5, summary);
  append(event);
}

void EventFile::append(std::string_view event) {
  std::string record;
  append_little_endian(record, static_cast<uint64_t>(event.size()));
  append_little_endian(record, masked_crc32c(record));
  record += event;
  append_little_endian(record, masked_crc32c(event));
  const bool written = std::fwrite(record.data(), 1, record.size(), file_.get()) == record.size() &&
                       std::fflush(file_.get()) == 0;
  if (!written && !warned_) {
    warned_ = true;
    log_warning("{}: {}; training goes on without it", path_.string(), std::strerror(errno));
  }
}

}  // namespace peft
