#include "peft/io/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <set>
#include <stdexcept>
#include <utility>

#include "peft/util/error.h"
#include "peft/util/json.h"
#include "peft/util/text.h"

namespace peft {
namespace {

constexpr uint64_t kPrefixBytes = 8;  // the header's length, little-endian
constexpr uint64_t kLargestHeader = 100'000'000;
constexpr size_t kMostTensors = 500'000;
constexpr size_t kLongestName = 1024;
constexpr size_t kHighestRank = 8;
constexpr const char* kMetadataKey = "__metadata__";

static_assert(std::endian::native == std::endian::little, "tensors are stored little-endian");

struct DtypeEntry {
  const char* name;
  int64_t size;
};

// In the order of Dtype.
constexpr std::array<DtypeEntry, 15> kDtypes = {{{"BOOL", 1},
                                                 {"U8", 1},
                                                 {"I8", 1},
                                                 {"F8_E5M2", 1},
                                                 {"F8_E4M3", 1},
                                                 {"I16", 2},
                                                 {"U16", 2},
                                                 {"F16", 2},
                                                 {"BF16", 2},
                                                 {"I32", 4},
                                                 {"U32", 4},
                                                 {"F32", 4},
                                                 {"F64", 8},
                                                 {"I64", 8},
                                                 {"U64", 8}}};

void check_name(const std::string& name, const std::string& file) {
  const std::string shown = escaped(name.substr(0, 80));
  check<ModelError>(!name.empty() && name.size() <= kLongestName,
                    "{}: tensor \"{}\": expected a name of 1 to {} bytes, found {}", file, shown,
                    kLongestName, name.size());
  const bool clean = std::none_of(name.begin(), name.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
  });
  check<ModelError>(clean, "{}: tensor \"{}\": control characters in the name", file, shown);
}

/// One member of the header. Offsets come relative to the data section, which begins at `data`.
TensorInfo read_tensor(const Json& json, const std::string& where, uint64_t data,
                       uint64_t file_size) {
  JsonReader<ModelError> reader(json, where);
  std::string dtype;
  TensorInfo info;
  std::vector<uint64_t> offsets;
  reader.require("dtype", dtype);
  reader.require("shape", info.shape);
  reader.require("data_offsets", offsets);
  reader.finish();
  info.dtype = dtype_named(dtype, where);
  check<ModelError>(info.shape.size() <= kHighestRank,
                    "{}: expected at most {} dimensions, found {}", where, kHighestRank,
                    info.shape.size());
  check<ModelError>(offsets.size() == 2, "{}: expected two data_offsets, found {}", where,
                    offsets.size());
  check<ModelError>(offsets[0] <= offsets[1] && offsets[1] <= file_size - data,
                    "{}: bytes {} to {} lie outside the {} bytes of data", where, offsets[0],
                    offsets[1], file_size - data);
  info.bytes = tensor_bytes(info.dtype, info.shape, where);
  check<ModelError>(info.bytes == offsets[1] - offsets[0],
                    "{}: {} [{}] needs {} bytes, its data_offsets span {}", where, dtype,
                    fmt::join(info.shape, ", "), info.bytes, offsets[1] - offsets[0]);
  info.begin = data + offsets[0];
  return info;
}

std::map<std::string, std::string> read_metadata(const Json& json, const std::string& where) {
  check<ModelError>(json.is_object(), "{}: {}: expected an object, found {}", where, kMetadataKey,
                    json_kind(json));
  std::map<std::string, std::string> metadata;
  for (const auto& [key, value] : json.items()) {
    check<ModelError>(value.is_string(), "{}: {}: {}: expected a string, found {}", where,
                      kMetadataKey, escaped(key), json_excerpt(value));
    metadata[key] = value.get<std::string>();
  }
  return metadata;
}

/// The tensors must fill the data section: no gap, no overlap, no bytes behind the last one.
void check_layout(const std::map<std::string, TensorInfo>& tensors, const std::string& file,
                  uint64_t data, uint64_t file_size) {
  std::vector<std::pair<const std::string*, const TensorInfo*>> order;
  for (const auto& [name, info] : tensors) {
    order.emplace_back(&name, &info);
  }
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    return std::pair(a.second->begin, a.second->bytes) <
           std::pair(b.second->begin, b.second->bytes);
  });
  uint64_t end = data;
  for (const auto& [name, info] : order) {
    check<ModelError>(info->begin >= end, "{}: tensor \"{}\" overlaps another one", file,
                      escaped(*name));
    check<ModelError>(info->begin == end, "{}: {} bytes before tensor \"{}\" belong to no tensor",
                      file, info->begin - end, escaped(*name));
    end = info->begin + info->bytes;
  }
  check<ModelError>(end == file_size, "{}: {} bytes behind the last tensor belong to none", file,
                    file_size - end);
}

/// Reads the header's text after its length has been checked against file and limit.
std::string read_header(const InputFile& file) {
  const std::string name = file.path().string();
  check<ModelError>(file.size() >= kPrefixBytes,
                    "{}: expected a safetensors file, found {} bytes; is the download complete?",
                    name, file.size());
  uint64_t length = 0;
  file.read(0, std::as_writable_bytes(std::span(&length, 1)));
  check<ModelError>(length <= file.size() - kPrefixBytes,
                    "{}: a header of {} bytes in a file of {}; the file is cut short or not a "
                    "safetensors file",
                    name, length, file.size());
  check<ModelError>(length <= kLargestHeader, "{}: expected a header of at most {} bytes, found {}",
                    name, kLargestHeader, length);
  std::string header = file.text(kPrefixBytes, length);
  check<ModelError>(header.starts_with('{'), "{}: the header does not start with {{", name);
  return header;
}

void check_names_differ(const std::vector<TensorLayout>& tensors) {
  std::set<std::string> names;
  for (const TensorLayout& tensor : tensors) {
    if (!names.insert(tensor.name).second) {
      throw std::logic_error(fmt::format("two tensors are called \"{}\"", tensor.name));
    }
  }
}

std::string header_text(const std::vector<TensorLayout>& tensors,
                        const std::map<std::string, std::string>& metadata) {
  const auto quoted = [](const std::string& text) { return Json(text).dump(); };
  std::string text = "{";
  if (!metadata.empty()) {
    text += fmt::format("\"{}\":{}", kMetadataKey, Json(metadata).dump());
  }
  uint64_t offset = 0;
  for (const TensorLayout& tensor : tensors) {
    const uint64_t end = offset + tensor_bytes(tensor.dtype, tensor.shape, tensor.name);
    text += fmt::format(R"({}{}:{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})",
                        text.size() > 1 ? "," : "", quoted(tensor.name), dtype_name(tensor.dtype),
                        fmt::join(tensor.shape, ","), offset, end);
    offset = end;
  }
  text += "}";
  text.resize((text.size() + 7) / 8 * 8, ' ');  // data starts on a multiple of eight
  return text;
}

}  // namespace

int64_t element_size(Dtype dtype) {
  return kDtypes[static_cast<size_t>(dtype)].size;
}

const char* dtype_name(Dtype dtype) {
  return kDtypes[static_cast<size_t>(dtype)].name;
}

Dtype dtype_named(const std::string& name, const std::string& where) {
  for (size_t i = 0; i < kDtypes.size(); ++i) {
    if (name == kDtypes[i].name) {
      return static_cast<Dtype>(i);
    }
  }
  fail<ModelError>("{}: unknown dtype \"{}\"", where, escaped(name));
}

uint64_t tensor_bytes(Dtype dtype, const std::vector<int64_t>& shape, const std::string& where) {
  int64_t bytes = element_size(dtype);
  for (const int64_t size : shape) {
    check<ModelError>(size >= 0, "{}: a negative size in the shape [{}]", where,
                      fmt::join(shape, ", "));
    check<ModelError>(!__builtin_mul_overflow(bytes, size, &bytes),
                      "{}: the shape [{}] has too many elements", where, fmt::join(shape, ", "));
  }
  return static_cast<uint64_t>(bytes);
}

int64_t TensorInfo::elements() const {
  return static_cast<int64_t>(bytes) / element_size(dtype);
}

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path) : file_(path) {
  const std::string header = read_header(file_);
  const std::string name = path.string();
  const Json json =
      parse_json<ModelError>(header, name + ": header", {.bytes = kLargestHeader, .depth = 4});
  check<ModelError>(json.size() <= kMostTensors, "{}: expected at most {} tensors, found {}", name,
                    kMostTensors, json.size());
  const uint64_t data = kPrefixBytes + header.size();
  for (const auto& [key, value] : json.items()) {
    if (key == kMetadataKey) {
      metadata_ = read_metadata(value, name);
      continue;
    }
    check_name(key, name);
    tensors_.emplace(
        key, read_tensor(value, fmt::format("{}: tensor \"{}\"", name, key), data, file_.size()));
  }
  check_layout(tensors_, name, data, file_.size());
}

const TensorInfo& SafetensorsFile::tensor(const std::string& name) const {
  const auto found = tensors_.find(name);
  check<ModelError>(found != tensors_.end(), "{}: no tensor \"{}\"", path().string(), name);
  return found->second;
}

void SafetensorsFile::read(const std::string& name, std::span<std::byte> destination) const {
  const TensorInfo& info = tensor(name);
  if (destination.size() != info.bytes) {
    throw std::logic_error(fmt::format("{}: tensor \"{}\" has {} bytes, its destination {}",
                                       path().string(), name, info.bytes, destination.size()));
  }
  file_.read(info.begin, destination);
}

void SafetensorsFile::read(const std::string& name, uint64_t offset,
                           std::span<std::byte> destination) const {
  const TensorInfo& info = tensor(name);
  if (offset > info.bytes || destination.size() > info.bytes - offset) {
    throw std::logic_error(fmt::format("{}: tensor \"{}\" has {} bytes, asked for {} from {}",
                                       path().string(), name, info.bytes, destination.size(),
                                       offset));
  }
  file_.read(info.begin + offset, destination);
}

void write_safetensors(const std::filesystem::path& path, std::vector<TensorLayout> tensors,
                       const TensorProducer& produce,
                       const std::map<std::string, std::string>& metadata) {
  std::sort(tensors.begin(), tensors.end(), [](const TensorLayout& a, const TensorLayout& b) {
    return a.dtype != b.dtype ? a.dtype > b.dtype : a.name < b.name;
  });
  check_names_differ(tensors);
  const std::string header = header_text(tensors, metadata);
  const uint64_t length = header.size();
  write_file(path, [&](const ByteSink& sink) {
    sink(std::as_bytes(std::span(&length, 1)));
    sink(std::as_bytes(std::span(header)));
    for (const TensorLayout& tensor : tensors) {
      uint64_t written = 0;
      produce(tensor, [&](std::span<const std::byte> bytes) {
        written += bytes.size();
        sink(bytes);
      });
      if (written != tensor_bytes(tensor.dtype, tensor.shape, tensor.name)) {
        throw std::logic_error(
            fmt::format("tensor \"{}\": {} bytes were produced, its shape needs {}", tensor.name,
                        written, tensor_bytes(tensor.dtype, tensor.shape, tensor.name)));
      }
    }
  });
}

void write_safetensors(const std::filesystem::path& path, std::vector<TensorToWrite> tensors,
                       const std::map<std::string, std::string>& metadata) {
  std::vector<TensorLayout> layouts;
  std::map<std::string, std::span<const std::byte>> data;
  for (TensorToWrite& tensor : tensors) {
    data[tensor.name] = tensor.data;
    layouts.push_back({std::move(tensor.name), tensor.dtype, std::move(tensor.shape)});
  }
  write_safetensors(
      path, std::move(layouts),
      [&](const TensorLayout& tensor, const ByteSink& sink) { sink(data.at(tensor.name)); },
      metadata);
}

}  // namespace peft
