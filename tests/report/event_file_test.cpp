#include "peft/report/event_file.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "io/temporary_directory.h"

namespace peft {
namespace {

/// CRC-32C bit by bit, as its definition says.
uint32_t checksum_by_definition(std::string_view bytes) {
  uint32_t remainder = ~0U;
  for (const char c : bytes) {
    for (int bit = 0; bit < 8; ++bit) {
      const uint32_t top =
          (remainder ^ static_cast<uint32_t>(static_cast<unsigned char>(c) >> bit)) & 1U;
      remainder = (remainder >> 1) ^ (top != 0 ? 0x82F63B78U : 0U);
    }
  }
  return ~remainder;
}

template <class T>
T number_at(const std::string& bytes, size_t offset) {
  T value{};
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

uint32_t unmasked(uint32_t masked) {
  const uint32_t rotated = masked - 0xA282EAD8U;
  return rotated << 15 | rotated >> 17;
}

/// The records of a file, their frames and checksums checked.
std::vector<std::string> records_of(const std::string& bytes) {
  std::vector<std::string> records;
  size_t offset = 0;
  while (offset < bytes.size()) {
    const auto length = number_at<uint64_t>(bytes, offset);
    EXPECT_EQ(unmasked(number_at<uint32_t>(bytes, offset + 8)),
              checksum_by_definition(bytes.substr(offset, 8)));
    records.push_back(bytes.substr(offset + 12, length));
    EXPECT_EQ(unmasked(number_at<uint32_t>(bytes, offset + 12 + length)),
              checksum_by_definition(records.back()));
    offset += 16 + length;
  }
  EXPECT_EQ(offset, bytes.size());
  return records;
}

/// One field of a protocol buffer's message.
struct Field {
  uint64_t number = 0;
  uint64_t value = 0;  // varint, fixed
  std::string bytes;   // length-delimited
};

uint64_t varint_at(const std::string& text, size_t& offset) {
  uint64_t value = 0;
  for (int shift = 0;; shift += 7) {
    const auto byte = static_cast<unsigned char>(text.at(offset++));
    value |= static_cast<uint64_t>(byte & 0x7FU) << shift;
    if (byte < 0x80) {
      return value;
    }
  }
}

std::vector<Field> fields_of(const std::string& message) {
  std::vector<Field> fields;
  size_t offset = 0;
  while (offset < message.size()) {
    const uint64_t key = varint_at(message, offset);
    Field field{key >> 3, 0, ""};
    switch (key & 7U) {
      case 0:
        field.value = varint_at(message, offset);
        break;
      case 1:
        field.value = number_at<uint64_t>(message, offset);
        offset += 8;
        break;
      case 2: {
        const uint64_t length = varint_at(message, offset);
        field.bytes = message.substr(offset, length);
        offset += length;
        break;
      }
      default:
        field.value = number_at<uint32_t>(message, offset);
        offset += 4;
    }
    fields.push_back(field);
  }
  return fields;
}

TEST(Crc32c, GivesThePublishedChecksums) {
  // RFC 3720, appendix B.4.
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAU);
  EXPECT_EQ(crc32c(std::string(32, '\xFF')), 0x62A8AB43U);
  EXPECT_EQ(crc32c("123456789"), 0xE3069283U);
}

TEST(EventFile, StartsWithItsVersion) {
  const TemporaryDirectory folder;
  const EventFile file(folder.path(), 1700000000.5);
  EXPECT_EQ(file.path().filename(), "events.out.tfevents.1700000000.peft");
  const std::vector<std::string> records = records_of(bytes_of_file(file.path()));
  ASSERT_EQ(records.size(), 1u);
  const std::vector<Field> event = fields_of(records[0]);
  ASSERT_EQ(event.size(), 3u);
  EXPECT_EQ(event[2].number, 3u);
  EXPECT_EQ(event[2].bytes, "brain.Event:2");
}

TEST(EventFile, HoldsTheScalarsOfAStep) {
  const TemporaryDirectory folder;
  EventFile file(folder.path(), 1.0);
  file.write(300, {{"train/loss", 1.5}, {"train/grad_norm", 0.25}}, 2.0);
  const std::vector<std::string> records = records_of(bytes_of_file(file.path()));
  ASSERT_EQ(records.size(), 2u);
  const std::vector<Field> event = fields_of(records[1]);
  ASSERT_EQ(event.size(), 3u);
  EXPECT_EQ(number_at<double>(std::string(reinterpret_cast<const char*>(&event[0].value), 8), 0),
            2.0);
  EXPECT_EQ(event[1].value, 300u);
  const std::vector<Field> summary = fields_of(event[2].bytes);
  ASSERT_EQ(summary.size(), 2u);
  const std::vector<Field> scalar = fields_of(summary[0].bytes);
  EXPECT_EQ(scalar[0].bytes, "train/loss");
  EXPECT_EQ(scalar[1].number, 2u);
  EXPECT_EQ(scalar[1].value, 0x3FC00000u);  // 1.5 as a float
}

TEST(EventFile, KeepsWhatIsNotFinite) {
  const TemporaryDirectory folder;
  EventFile file(folder.path(), 1.0);
  file.write(1, {{"train/loss", std::numeric_limits<double>::infinity()}}, 1.0);
  const std::vector<std::string> records = records_of(bytes_of_file(file.path()));
  EXPECT_EQ(fields_of(fields_of(fields_of(records[1])[2].bytes)[0].bytes)[1].value, 0x7F800000u);
}

TEST(EventFile, SaysWhereItCannotBeMade) {
  const TemporaryDirectory folder;
  EXPECT_EQ(error_text([&] { EventFile(folder / "no", 1.0); }),
            (folder / "no").string() + "/events.out.tfevents.1.peft: No such file or directory");
}

}  // namespace
}  // namespace peft
