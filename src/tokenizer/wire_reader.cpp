#include "wire_reader.h"

#include <cstring>

#include "peft/util/error.h"

namespace peft {
namespace {

constexpr int kVarint = 0;
constexpr int kEightBytes = 1;
constexpr int kLengthDelimited = 2;
constexpr int kFourBytes = 5;

}  // namespace

bool WireReader::next() {
  if (pending_) {
    skip();
  }
  if (at_ == message_.size()) {
    return false;
  }
  const size_t begin = offset_ + at_;
  const uint64_t key = varint();
  field_ = key >> 3;
  wire_type_ = static_cast<int>(key & 7);
  check<ModelError>(field_ > 0 && field_ < (uint64_t{1} << 29),
                    "{}: byte {}: no field has number {}", where_, begin, field_);
  pending_ = true;
  return true;
}

uint64_t WireReader::varint() {
  uint64_t value = 0;
  const size_t begin = at_;
  for (int shift = 0;; shift += 7) {
    check<ModelError>(at_ < message_.size() && shift < 70, "{}: byte {}: an integer does not end",
                      where_, offset_ + begin);
    const auto byte = static_cast<unsigned char>(message_[at_++]);
    value |= uint64_t{byte & 0x7FU} << shift;
    if (byte < 0x80) {
      check<ModelError>(shift < 63 || byte <= 1, "{}: byte {}: an integer has more than 64 bits",
                        where_, offset_ + begin);
      return value;
    }
  }
}

std::string_view WireReader::take(uint64_t size) {
  const size_t left = message_.size() - at_;
  check<ModelError>(size <= left, "{}: byte {}: a field of {} bytes has only {} left", where_,
                    offset_ + at_, size, left);
  const std::string_view taken = message_.substr(at_, size);
  at_ += size;
  return taken;
}

void WireReader::expect(int wire_type) {
  check<ModelError>(wire_type_ == wire_type && pending_,
                    "{}: byte {}: field {} has wire type {}, expected {}", where_, offset_ + at_,
                    field_, wire_type_, wire_type);
  pending_ = false;
}

void WireReader::skip() {
  pending_ = false;
  switch (wire_type_) {
    case kVarint:
      varint();
      return;
    case kEightBytes:
      take(8);
      return;
    case kLengthDelimited:
      take(varint());
      return;
    case kFourBytes:
      take(4);
      return;
    default:
      fail<ModelError>("{}: byte {}: field {} has the unknown wire type {}", where_, offset_ + at_,
                       field_, wire_type_);
  }
}

uint64_t WireReader::integer() {
  expect(kVarint);
  return varint();
}

float WireReader::number() {
  expect(kFourBytes);
  float value = 0.0F;
  std::memcpy(&value, take(sizeof value).data(), sizeof value);
  return value;
}

std::string_view WireReader::bytes() {
  expect(kLengthDelimited);
  return take(varint());
}

WireReader WireReader::message() {
  const std::string_view inner = bytes();
  return WireReader(inner, where_, offset_ + at_ - inner.size());
}

}  // namespace peft
