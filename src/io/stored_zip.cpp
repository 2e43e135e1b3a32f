#include "stored_zip.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "peft/util/error.h"
#include "peft/util/text.h"

namespace peft {
namespace {

constexpr uint32_t kLocalHeader = 0x04034b50;
constexpr uint32_t kCentralHeader = 0x02014b50;
constexpr uint32_t kEnd = 0x06054b50;
constexpr uint32_t kEnd64Locator = 0x07064b50;
constexpr uint32_t kEnd64 = 0x06064b50;
constexpr uint64_t kLocalBytes = 30;
constexpr uint64_t kCentralBytes = 46;
constexpr uint64_t kEndBytes = 22;
constexpr uint64_t kEnd64LocatorBytes = 20;
constexpr uint64_t kEnd64Bytes = 56;
constexpr uint16_t kExtra64 = 1;  // the extra field with sizes beyond 32 bits
constexpr uint32_t kIn64 = 0xFFFFFFFFu;
constexpr uint64_t kLargestDirectory = uint64_t{64} << 20;
constexpr uint64_t kMostRecords = 1'000'000;

/// Little-endian numbers of a block of bytes, never past its end.
class Fields {
 public:
  Fields(std::string bytes, std::string where)
      : bytes_(std::move(bytes)), where_(std::move(where)) {}

  template <class T>
  T at(uint64_t offset) const {
    T value{};
    check<ModelError>(offset + sizeof value <= bytes_.size(), "{}: the zip directory is cut short",
                      where_);
    std::memcpy(&value, bytes_.data() + offset, sizeof value);
    return value;
  }
  std::string text(uint64_t offset, uint64_t count) const {
    check<ModelError>(offset + count <= bytes_.size(), "{}: the zip directory is cut short",
                      where_);
    return bytes_.substr(offset, count);
  }
  uint64_t size() const { return bytes_.size(); }

 private:
  std::string bytes_;
  std::string where_;
};

Fields fields_at(const InputFile& file, uint64_t offset, uint64_t count) {
  check<ModelError>(offset <= file.size() && count <= file.size() - offset,
                    "{}: a zip header at byte {} lies outside the file", file.path().string(),
                    offset);
  return {file.text(offset, count), file.path().string()};
}

/// Where the list of records stands.
struct Directory {
  uint64_t begin = 0, bytes = 0, records = 0;
};

Directory find_directory64(const InputFile& file, uint64_t end) {
  const std::string where = file.path().string();
  check<ModelError>(end >= kEnd64LocatorBytes, "{}: the zip directory is missing", where);
  const Fields locator = fields_at(file, end - kEnd64LocatorBytes, kEnd64LocatorBytes);
  check<ModelError>(locator.at<uint32_t>(0) == kEnd64Locator, "{}: the zip directory is missing",
                    where);
  const Fields record = fields_at(file, locator.at<uint64_t>(8), kEnd64Bytes);
  check<ModelError>(record.at<uint32_t>(0) == kEnd64, "{}: the zip directory is missing", where);
  return {record.at<uint64_t>(48), record.at<uint64_t>(40), record.at<uint64_t>(32)};
}

Directory find_directory(const InputFile& file) {
  const std::string where = file.path().string();
  check<ModelError>(file.size() >= kEndBytes, "{}: the zip file is cut short", where);
  const uint64_t end = file.size() - kEndBytes;
  const Fields record = fields_at(file, end, kEndBytes);
  check<ModelError>(record.at<uint32_t>(0) == kEnd && record.at<uint16_t>(20) == 0,
                    "{}: the zip file is cut short or something follows it", where);
  Directory directory{record.at<uint32_t>(16), record.at<uint32_t>(12), record.at<uint16_t>(10)};
  if (directory.begin == kIn64 || directory.bytes == kIn64 || directory.records == 0xFFFFu) {
    directory = find_directory64(file, end);
  }
  check<ModelError>(directory.begin <= end && directory.bytes <= end - directory.begin,
                    "{}: the zip directory lies outside the file", where);
  check<ModelError>(directory.bytes <= kLargestDirectory && directory.records <= kMostRecords,
                    "{}: a zip directory of {} bytes and {} records is too large", where,
                    directory.bytes, directory.records);
  return directory;
}

/// One record as the directory lists it; `header` is where its local header stands.
struct ListedRecord {
  std::string name;
  uint64_t header = 0;
  ZipRecord record;
};

/// Numbers that did not fit 32 bits, in the order of the format.
void read_extra64(const Fields& fields, uint64_t begin, uint64_t end, ListedRecord& listed) {
  const bool large_size = listed.record.bytes == kIn64;
  const bool large_offset = listed.header == kIn64;
  while ((large_size || large_offset) && begin + 4 <= end) {
    const auto id = fields.at<uint16_t>(begin);
    const auto size = fields.at<uint16_t>(begin + 2);
    begin += 4;
    if (id == kExtra64) {
      if (large_size) {
        listed.record.bytes = fields.at<uint64_t>(begin);
        begin += 16;  // the size in the file follows, which is the same
      }
      if (large_offset) {
        listed.header = fields.at<uint64_t>(begin);
      }
      return;
    }
    begin += size;
  }
}

ListedRecord read_listed(const Fields& fields, uint64_t& offset, const std::string& where) {
  check<ModelError>(fields.at<uint32_t>(offset) == kCentralHeader,
                    "{}: the zip directory is damaged", where);
  const auto name_bytes = fields.at<uint16_t>(offset + 28);
  const auto extra_bytes = fields.at<uint16_t>(offset + 30);
  const auto comment_bytes = fields.at<uint16_t>(offset + 32);
  ListedRecord listed;
  listed.name = fields.text(offset + kCentralBytes, name_bytes);
  const std::string record = fmt::format("{}: record \"{}\"", where, escaped(listed.name));
  check<ModelError>((fields.at<uint16_t>(offset + 8) & 1u) == 0, "{}: is encrypted", record);
  check<ModelError>(fields.at<uint16_t>(offset + 10) == 0,
                    "{}: is compressed, which torch never does", record);
  check<ModelError>(fields.at<uint32_t>(offset + 20) == fields.at<uint32_t>(offset + 24),
                    "{}: two sizes", record);
  listed.record.crc = fields.at<uint32_t>(offset + 16);
  listed.record.bytes = fields.at<uint32_t>(offset + 24);
  listed.header = fields.at<uint32_t>(offset + 42);
  const uint64_t extra = offset + kCentralBytes + name_bytes;
  read_extra64(fields, extra, extra + extra_bytes, listed);
  offset = extra + extra_bytes + comment_bytes;
  return listed;
}

/// The record's data begins behind its local header, whose extra field aligns it.
void place(const InputFile& file, const Directory& directory, ListedRecord& listed) {
  const std::string where =
      fmt::format("{}: record \"{}\"", file.path().string(), escaped(listed.name));
  const Fields fixed = fields_at(file, listed.header, kLocalBytes);
  const auto name_bytes = fixed.at<uint16_t>(26);
  check<ModelError>(
      fixed.at<uint32_t>(0) == kLocalHeader && fixed.at<uint16_t>(8) == 0 &&
          fields_at(file, listed.header + kLocalBytes, name_bytes).text(0, name_bytes) ==
              listed.name,
      "{}: its own header says otherwise", where);
  ZipRecord& record = listed.record;
  record.begin = listed.header + kLocalBytes + name_bytes + fixed.at<uint16_t>(28);
  check<ModelError>(
      record.begin <= directory.begin && record.bytes <= directory.begin - record.begin,
      "{}: its {} bytes lie outside the data", where, record.bytes);
}

void check_disjoint(const std::vector<ListedRecord>& records, const std::string& where) {
  std::vector<const ListedRecord*> order;
  for (const ListedRecord& record : records) {
    order.push_back(&record);
  }
  std::sort(order.begin(), order.end(),
            [](const ListedRecord* a, const ListedRecord* b) { return a->header < b->header; });
  for (size_t i = 1; i < order.size(); ++i) {
    const ZipRecord& before = order[i - 1]->record;
    check<ModelError>(before.begin + before.bytes <= order[i]->header,
                      "{}: record \"{}\" lies over another", where, escaped(order[i]->name));
  }
}

}  // namespace

bool is_zip(const InputFile& file) {
  return file.size() >= kLocalBytes &&
         fields_at(file, 0, kLocalBytes).at<uint32_t>(0) == kLocalHeader;
}

std::map<std::string, ZipRecord> read_stored_zip(const InputFile& file) {
  const std::string where = file.path().string();
  const Directory directory = find_directory(file);
  const Fields fields = fields_at(file, directory.begin, directory.bytes);
  std::vector<ListedRecord> listed;
  std::map<std::string, ZipRecord> records;
  uint64_t offset = 0;
  for (uint64_t i = 0; i < directory.records; ++i) {
    listed.push_back(read_listed(fields, offset, where));
    place(file, directory, listed.back());
    check<ModelError>(records.emplace(listed.back().name, listed.back().record).second,
                      "{}: two records are called \"{}\"", where, escaped(listed.back().name));
  }
  check<ModelError>(offset == fields.size(), "{}: the zip directory is damaged", where);
  check_disjoint(listed, where);
  return records;
}

uint32_t crc32_of(const std::string& bytes) {
  uint32_t crc = ~uint32_t{0};
  for (const char byte : bytes) {
    crc ^= static_cast<unsigned char>(byte);
    for (int bit = 0; bit < 8; ++bit) {
      crc = crc >> 1 ^ (0xEDB88320u & (~(crc & 1u) + 1u));
    }
  }
  return ~crc;
}

}  // namespace peft
