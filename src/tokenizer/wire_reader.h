#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace peft {

/// Steps through the fields of one message in protocol buffers' wire format. Every fault is a
/// ModelError that names the byte.
class WireReader {
 public:
  /// `offset` is where the message begins in its file.
  WireReader(std::string_view message, const std::string& where, size_t offset = 0)
      : message_(message), where_(where), offset_(offset) {}

  /// Moves to the next field; false at the end. A field not read is skipped.
  bool next();
  uint64_t field() const { return field_; }

  /// The value of the current field. Throws when it is written as another kind.
  uint64_t integer();
  bool boolean() { return integer() != 0; }
  float number();
  std::string_view bytes();
  /// A message inside this one.
  WireReader message();

 private:
  uint64_t varint();
  std::string_view take(uint64_t size);
  void expect(int wire_type);
  void skip();

  std::string_view message_;
  const std::string& where_;
  size_t offset_;
  size_t at_ = 0;
  uint64_t field_ = 0;
  int wire_type_ = 0;
  bool pending_ = false;  // the current field's value is not read yet
};

}  // namespace peft
