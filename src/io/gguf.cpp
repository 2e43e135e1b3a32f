#include "peft/io/gguf.h"

#include <algorithm>
#include <bit>
#include <set>
#include <utility>

#include "peft/io/gguf_header.h"
#include "peft/util/error.h"
#include "peft/util/text.h"

namespace peft {
namespace {

constexpr uint64_t kMostValues = 65'536;
constexpr uint64_t kMostTensors = 500'000;
constexpr uint32_t kHighestRank = 4;
constexpr uint64_t kDefaultAlignment = 32;
constexpr uint64_t kLargestAlignment = 65'536;
constexpr uint32_t kMagic = 0x46554747;  // "GGUF"
constexpr uint64_t kPrefixBytes = 24;    // magic, version and the two counts

std::string type_name(uint32_t number) {
  const GgmlType* const type = find_ggml_type(number);
  return type != nullptr ? type->name : fmt::format("type {}", number);
}

bool is_readable(uint32_t number) {
  const GgmlType* const type = find_ggml_type(number);
  return type != nullptr && type->is_readable();
}

struct Counts {
  uint64_t tensors = 0;
  uint64_t values = 0;
};

Counts read_prefix(GgufHeaderReader& reader) {
  const std::string file = reader.where();
  check<ModelError>(reader.left() >= kPrefixBytes && reader.number<uint32_t>() == kMagic,
                    "{}: not a GGUF file", file);
  const auto version = reader.number<uint32_t>();
  check<ModelError>((version & 0xFFFFu) != 0, "{}: big-endian GGUF files are not supported", file);
  check<ModelError>(version == 2 || version == 3, "{}: expected GGUF version 2 or 3, found {}",
                    file, version);
  Counts counts;
  counts.tensors = reader.number<uint64_t>();
  counts.values = reader.number<uint64_t>();
  check<ModelError>(counts.tensors <= kMostTensors, "{}: expected at most {} tensors, found {}",
                    file, kMostTensors, counts.tensors);
  check<ModelError>(counts.values <= kMostValues, "{}: expected at most {} keys, found {}", file,
                    kMostValues, counts.values);
  return counts;
}

Json read_values(GgufHeaderReader& reader, uint64_t count) {
  const std::string file = reader.where();
  Json values = Json::object();
  std::set<std::string> seen;
  for (uint64_t i = 0; i < count; ++i) {
    const std::string key = reader.name("key");
    check<ModelError>(seen.insert(key).second, "{}: the key \"{}\" appears twice", file, key);
    // Straight to the end: looking every key up in an ordered object takes quadratic time.
    values.get_ref<Json::object_t&>().emplace_back(key, reader.value(key));
  }
  return values;
}

uint64_t read_alignment(const Json& values, const std::string& file) {
  JsonReader<ModelError> reader(values, file);
  uint64_t alignment = kDefaultAlignment;
  reader.read("general.alignment", alignment);
  check<ModelError>(std::has_single_bit(alignment) && alignment <= kLargestAlignment,
                    "{}: general.alignment: expected a power of two up to {}, found {}", file,
                    kLargestAlignment, alignment);
  return alignment;
}

/// A tensor as the header lists it, its type not yet judged.
struct ListedTensor {
  std::string name;
  uint32_t type = 0;
  std::vector<int64_t> shape;
  uint64_t offset = 0;
};

ListedTensor read_listed_tensor(GgufHeaderReader& reader) {
  ListedTensor tensor;
  tensor.name = reader.name("tensor");
  const std::string where = fmt::format("{}: tensor \"{}\"", reader.where(), tensor.name);
  const auto rank = reader.number<uint32_t>();
  check<ModelError>(rank >= 1 && rank <= kHighestRank, "{}: expected 1 to {} dimensions, found {}",
                    where, kHighestRank, rank);
  int64_t elements = 1;
  for (uint32_t i = 0; i < rank; ++i) {
    const auto size = reader.number<int64_t>();
    check<ModelError>(size > 0 && !__builtin_mul_overflow(elements, size, &elements),
                      "{}: dimension {} of {} elements is out of range", where, i, size);
    tensor.shape.insert(tensor.shape.begin(), size);
  }
  tensor.type = reader.number<uint32_t>();
  tensor.offset = reader.number<uint64_t>();
  return tensor;
}

void refuse_other_types(const std::vector<ListedTensor>& listed, const std::string& file) {
  std::map<uint32_t, std::vector<std::string>> others;
  size_t count = 0;
  for (const ListedTensor& tensor : listed) {
    if (!is_readable(tensor.type)) {
      others[tensor.type].push_back(tensor.name);
      ++count;
    }
  }
  if (others.empty()) {
    return;
  }
  std::string text = fmt::format("{}: {} tensors have types that cannot be read ({} can)", file,
                                 count, readable_ggml_types());
  for (const auto& [type, names] : others) {
    text += fmt::format("\n  {}: {}", type_name(type), join(names, ", "));
  }
  throw ModelError(text);
}

GgufTensor place_tensor(const ListedTensor& listed, uint64_t data, uint64_t alignment,
                        const InputFile& file) {
  const std::string where = fmt::format("{}: tensor \"{}\"", file.path().string(), listed.name);
  GgufTensor tensor;
  tensor.type = find_ggml_type(listed.type);
  tensor.shape = listed.shape;
  const GgmlType& type = *tensor.type;
  check<ModelError>(tensor.row_elements() % type.block_elements == 0,
                    "{}: rows of {} elements do not hold whole blocks of {}", where,
                    tensor.row_elements(), type.block_elements);
  int64_t bytes = tensor.elements() / type.block_elements;
  check<ModelError>(!__builtin_mul_overflow(bytes, type.block_bytes, &bytes),
                    "{}: too many elements", where);
  tensor.bytes = static_cast<uint64_t>(bytes);
  check<ModelError>(listed.offset % alignment == 0, "{}: offset {} is not a multiple of {}", where,
                    listed.offset, alignment);
  const uint64_t room = file.size() > data ? file.size() - data : 0;
  check<ModelError>(tensor.bytes <= room && listed.offset <= room - tensor.bytes,
                    "{}: {} bytes at offset {} lie outside the {} bytes of data", where,
                    tensor.bytes, listed.offset, room);
  tensor.begin = data + listed.offset;
  return tensor;
}

void check_overlap(const std::map<std::string, GgufTensor>& tensors, const std::string& file) {
  std::vector<std::pair<uint64_t, const std::pair<const std::string, GgufTensor>*>> order;
  for (const auto& entry : tensors) {
    order.emplace_back(entry.second.begin, &entry);
  }
  std::sort(order.begin(), order.end());
  for (size_t i = 1; i < order.size(); ++i) {
    const GgufTensor& before = order[i - 1].second->second;
    check<ModelError>(before.begin + before.bytes <= order[i].first,
                      "{}: tensor \"{}\" overlaps another one", file, order[i].second->first);
  }
}

}  // namespace

int64_t GgufTensor::elements() const {
  int64_t elements = 1;
  for (const int64_t size : shape) {
    elements *= size;
  }
  return elements;
}

GgufFile::GgufFile(const std::filesystem::path& path) : file_(path) {
  GgufHeaderReader reader(file_);
  const std::string name = path.string();
  const Counts counts = read_prefix(reader);
  values_ = read_values(reader, counts.values);
  const uint64_t alignment = read_alignment(values_, name);
  std::vector<ListedTensor> listed;
  for (uint64_t i = 0; i < counts.tensors; ++i) {
    listed.push_back(read_listed_tensor(reader));
  }
  refuse_other_types(listed, name);
  const uint64_t data = (reader.offset() + alignment - 1) / alignment * alignment;
  for (const ListedTensor& tensor : listed) {
    const bool is_new =
        tensors_.emplace(tensor.name, place_tensor(tensor, data, alignment, file_)).second;
    check<ModelError>(is_new, "{}: the tensor \"{}\" appears twice", name, tensor.name);
  }
  check_overlap(tensors_, name);
}

void GgufFile::read_rows(const GgufTensor& tensor, int64_t row,
                         std::span<float> destination) const {
  const GgmlType& type = *tensor.type;
  const int64_t row_bytes = tensor.row_elements() / type.block_elements * type.block_bytes;
  const auto rows = static_cast<int64_t>(destination.size()) / tensor.row_elements();
  std::vector<std::byte> source(static_cast<size_t>(rows * row_bytes));
  file_.read(tensor.begin + static_cast<uint64_t>(row * row_bytes), source);
  dequantize(type, source, destination);
}

}  // namespace peft
