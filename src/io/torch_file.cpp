#include "peft/io/torch_file.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "peft/io/torch_table.h"
#include "peft/util/error.h"

namespace peft {
namespace {

TorchTableReader& reader_in_use() {
  static TorchTableReader reader = read_torch_table;
  return reader;
}

}  // namespace

TorchTableReader torch_table_reader() {
  return reader_in_use();
}

void set_torch_table_reader(TorchTableReader reader) {
  reader_in_use() = reader;
}

TorchFile::TorchFile(const std::filesystem::path& path) : file_(path) {
  for (auto& [name, tensor] : torch_table_reader()(file_)) {
    if (!tensor.strides.empty()) {
      strides_.emplace(name, std::move(tensor.strides));
    }
    tensors_.emplace(name, std::move(tensor.info));
  }
}

std::vector<std::byte> TorchFile::gather(const std::string& name, int64_t first,
                                         int64_t last) const {
  const TensorInfo& info = tensors_.at(name);
  const std::vector<int64_t>& strides = strides_.at(name);
  const std::vector<int64_t> places = ordered_strides(info.shape);
  const auto size = static_cast<size_t>(element_size(info.dtype));
  size_t span = size;
  for (size_t i = 0; i < strides.size(); ++i) {
    span += static_cast<size_t>((info.shape[i] - 1) * strides[i]) * size;
  }
  std::vector<std::byte> source(span);
  file_.read(info.begin, source);
  std::vector<std::byte> out(static_cast<size_t>(last - first) * size);
  for (int64_t element = first; element < last; ++element) {
    int64_t from = 0;
    for (size_t i = 0; i < strides.size(); ++i) {
      from += element / places[i] % info.shape[i] * strides[i];
    }
    std::memcpy(out.data() + static_cast<size_t>(element - first) * size,
                source.data() + static_cast<size_t>(from) * size, size);
  }
  return out;
}

void TorchFile::read(const std::string& name, std::span<std::byte> destination) const {
  const auto found = tensors_.find(name);
  check<ModelError>(found != tensors_.end(), "{}: no tensor \"{}\"", path().string(), name);
  if (destination.size() != found->second.bytes) {
    throw std::logic_error(fmt::format("{}: tensor \"{}\" has {} bytes, its destination {}",
                                       path().string(), name, found->second.bytes,
                                       destination.size()));
  }
  read(name, 0, destination);
}

void TorchFile::read(const std::string& name, uint64_t offset,
                     std::span<std::byte> destination) const {
  const auto found = tensors_.find(name);
  check<ModelError>(found != tensors_.end(), "{}: no tensor \"{}\"", path().string(), name);
  const TensorInfo& info = found->second;
  if (offset > info.bytes || destination.size() > info.bytes - offset) {
    throw std::logic_error(fmt::format("{}: tensor \"{}\" has {} bytes, asked for {} from {}",
                                       path().string(), name, info.bytes, destination.size(),
                                       offset));
  }
  if (strides_.count(name) == 0) {
    file_.read(info.begin + offset, destination);
    return;
  }
  if (destination.empty()) {
    return;
  }
  const auto size = static_cast<uint64_t>(element_size(info.dtype));
  const uint64_t first = offset / size;
  const uint64_t last = (offset + destination.size() + size - 1) / size;
  const std::vector<std::byte> elements =
      gather(name, static_cast<int64_t>(first), static_cast<int64_t>(last));
  std::copy_n(elements.begin() + static_cast<ptrdiff_t>(offset - first * size), destination.size(),
              destination.begin());
}

}  // namespace peft
