#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "peft/io/input_file.h"
#include "peft/util/durable_file.h"

namespace peft {

/// Element types of the safetensors format, from the smallest alignment to the largest: files hold
/// their tensors in the reverse of this order.
enum class Dtype {
  kBool,
  kU8,
  kI8,
  kF8E5M2,
  kF8E4M3,
  kI16,
  kU16,
  kF16,
  kBF16,
  kI32,
  kU32,
  kF32,
  kF64,
  kI64,
  kU64
};

/// Bytes of one element.
int64_t element_size(Dtype dtype);
/// "F32", "BF16", ...: the format's own spelling.
const char* dtype_name(Dtype dtype);
/// The way back. Throws ModelError for a name that is none.
Dtype dtype_named(const std::string& name, const std::string& where);

/// Product of the shape and the element size. Throws ModelError for a negative size and where the
/// product leaves 63 bits.
uint64_t tensor_bytes(Dtype dtype, const std::vector<int64_t>& shape, const std::string& where);

/// One tensor of a file's header.
struct TensorInfo {
  Dtype dtype = Dtype::kF32;
  std::vector<int64_t> shape;
  uint64_t begin = 0;  ///< byte offset in the file (absolute)
  uint64_t bytes = 0;

  int64_t elements() const;
};

/// A file whose header has been read and checked; data is read by position into the caller's
/// memory. The tensors touch each other, overlap nowhere and end where the file ends; shapes agree
/// with spans; names are unique. Every fault is a ModelError that names the file and the tensor.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return file_.path(); }
  const std::map<std::string, TensorInfo>& tensors() const { return tensors_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

  /// Reads a whole tensor into `destination` of exactly its size. Safe from several threads.
  void read(const std::string& name, std::span<std::byte> destination) const;
  /// Reads bytes [offset, offset + destination.size()) of a tensor.
  void read(const std::string& name, uint64_t offset, std::span<std::byte> destination) const;

 private:
  const TensorInfo& tensor(const std::string& name) const;

  InputFile file_;
  std::map<std::string, TensorInfo> tensors_;
  std::map<std::string, std::string> metadata_;
};

/// A tensor to be written; `data` is borrowed.
struct TensorToWrite {
  std::string name;
  Dtype dtype = Dtype::kF32;
  std::vector<int64_t> shape;
  std::span<const std::byte> data;
};

/// Writes one file durably (temporary, fsync, rename), byte for byte as the Python library would:
/// by falling Dtype, then by name. Throws IoError.
void write_safetensors(const std::filesystem::path& path, std::vector<TensorToWrite> tensors,
                       const std::map<std::string, std::string>& metadata = {{"format", "pt"}});

/// What the header says of a tensor whose bytes come later.
struct TensorLayout {
  std::string name;
  Dtype dtype = Dtype::kF32;
  std::vector<int64_t> shape;
};

/// Gives all bytes of one tensor to the sink, in as many pieces as it likes.
using TensorProducer = std::function<void(const TensorLayout& tensor, const ByteSink& sink)>;

/// The same for a file larger than memory: `produce` is called once per tensor, in file order.
void write_safetensors(const std::filesystem::path& path, std::vector<TensorLayout> tensors,
                       const TensorProducer& produce,
                       const std::map<std::string, std::string>& metadata = {{"format", "pt"}});

}  // namespace peft
