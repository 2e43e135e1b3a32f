#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace peft {

/// Little-endian bytes of a number.
template <class T>
std::string bytes_of_number(T value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}

/// A zip file of stored records, as torch writes it, with the faults that a test asks for.
class ZipBuilder {
 public:
  struct Entry {
    std::string name;
    std::string data;
    uint16_t method = 0;
    uint32_t crc = 0;
    uint32_t claimed_bytes = 0;
  };

  ZipBuilder& add(std::string name, std::string data) {
    entries_.push_back({std::move(name), data, 0, crc(data), static_cast<uint32_t>(data.size())});
    return *this;
  }
  /// The entry that was added last.
  Entry& last() { return entries_.back(); }

  std::string file() const {
    std::string out;
    std::string directory;
    for (const Entry& entry : entries_) {
      const auto header = static_cast<uint32_t>(out.size());
      out += "PK\3\4" + fields(entry) + bytes_of_number<uint16_t>(0) + entry.name + entry.data;
      directory += "PK\1\2" + bytes_of_number<uint16_t>(0) + fields(entry) +
                   std::string(2 + 2 + 2 + 2 + 4, '\0') + bytes_of_number(header) + entry.name;
    }
    const auto begin = static_cast<uint32_t>(out.size());
    const auto count = static_cast<uint16_t>(entries_.size());
    return out + directory + "PK\5\6" + std::string(4, '\0') + bytes_of_number(count) +
           bytes_of_number(count) + bytes_of_number(static_cast<uint32_t>(directory.size())) +
           bytes_of_number(begin) + std::string(2, '\0');
  }

 private:
  /// What both headers of a record say, up to the length of the name.
  static std::string fields(const Entry& entry) {
    return std::string(4, '\0') + bytes_of_number(entry.method) + std::string(4, '\0') +
           bytes_of_number(entry.crc) + bytes_of_number(entry.claimed_bytes) +
           bytes_of_number(entry.claimed_bytes) +
           bytes_of_number(static_cast<uint16_t>(entry.name.size()));
  }

  static uint32_t crc(const std::string& data) {
    uint32_t value = ~0u;
    for (const char c : data) {
      value ^= static_cast<unsigned char>(c);
      for (int i = 0; i < 8; ++i) {
        value = value >> 1 ^ (value & 1u ? 0xEDB88320u : 0u);
      }
    }
    return ~value;
  }

  std::vector<Entry> entries_;
};

/// A pickle, opcode by opcode.
class PickleBuilder {
 public:
  PickleBuilder& raw(std::string_view bytes) {
    text_ += bytes;
    return *this;
  }
  PickleBuilder& global(const std::string& module, const std::string& name) {
    return raw("c" + module + "\n" + name + "\n");
  }
  PickleBuilder& text(const std::string& value) {
    return raw("X" + bytes_of_number(static_cast<uint32_t>(value.size())) + value);
  }
  PickleBuilder& integer(int32_t value) { return raw("J" + bytes_of_number(value)); }
  PickleBuilder& tuple(const std::vector<int32_t>& values) {
    raw("(");
    for (const int32_t value : values) {
      integer(value);
    }
    return raw("t");
  }
  /// A float32 tensor over a storage of `elements`.
  PickleBuilder& tensor(int32_t elements, int32_t offset, const std::vector<int32_t>& shape,
                        const std::vector<int32_t>& strides, const std::string& key = "0") {
    global("torch._utils", "_rebuild_tensor_v2").raw("((");
    text("storage").global("torch", "FloatStorage").text(key).text("cpu").integer(elements);
    raw("tQ").integer(offset).tuple(shape).tuple(strides).raw("\x89");
    return global("collections", "OrderedDict").raw(")RtR");
  }
  std::string done() const { return "\x80\x02" + text_ + "."; }

 private:
  std::string text_;
};

}  // namespace peft
