#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace peft {

/// Element types of the safetensors format.
enum class Dtype { kBool, kU8, kI8, kF8E5M2, kF8E4M3, kI16, kU16, kF16, kBF16, kI32, kU32, kF32, kF64, kI64, kU64 };

/// Bytes of one element.
int64_t element_size(Dtype dtype);
/// "F32", "BF16", ...: the format's own spelling.
const char* dtype_name(Dtype dtype);

/// One tensor of a file's header.
struct TensorInfo {
  Dtype dtype = Dtype::kF32;
  std::vector<int64_t> shape;
  uint64_t begin = 0;  ///< byte offset in the file (absolute)
  uint64_t bytes = 0;

  int64_t elements() const;
};

/// A file whose header has been read and checked; data is read by position into the caller's memory.
/// Rules: reliability of offsets (touching, no overlap, exact end), shapes, names, dtypes, no
/// duplicates. Every fault is a ModelError that names the file and the tensor.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::filesystem::path& path);
  ~SafetensorsFile();
  SafetensorsFile(SafetensorsFile&& other) noexcept;
  SafetensorsFile& operator=(SafetensorsFile&& other) noexcept;

  const std::filesystem::path& path() const { return path_; }
  const std::map<std::string, TensorInfo>& tensors() const { return tensors_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

  /// Reads a whole tensor into `destination` of exactly its size. Safe from several threads.
  void read(const std::string& name, std::span<std::byte> destination) const;
  /// Reads bytes [offset, offset + destination.size()) of a tensor.
  void read(const std::string& name, uint64_t offset, std::span<std::byte> destination) const;

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
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

/// Writes one file durably (temporary, fsync, rename) with {"format":"pt"} metadata, tensors in the
/// order of their names as the Python library does. Throws IoError.
void write_safetensors(const std::filesystem::path& path, std::vector<TensorToWrite> tensors,
                       const std::map<std::string, std::string>& metadata = {{"format", "pt"}});

/// Writes a large file tensor by tensor: the header first, then data in header order.
class SafetensorsWriter;

}  // namespace peft
