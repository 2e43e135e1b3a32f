#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "peft/io/input_file.h"
#include "peft/io/safetensors.h"

namespace peft {

/// pytorch_model.bin: the tensors that torch.save wrote of a state dict, in a zip file or in the
/// form before torch 1.6. The pickle in it is read as data (torch_table.h says by whom): what is no
/// dictionary of tensors is refused by name, and nothing of the file is executed. Every fault is a
/// ModelError that names the file.
class TorchFile {
 public:
  explicit TorchFile(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return file_.path(); }
  /// `begin` is where a tensor's first element lies; tensors that share a storage overlap.
  const std::map<std::string, TensorInfo>& tensors() const { return tensors_; }

  /// Reads a whole tensor, row by row whatever its strides, into `destination` of exactly its size.
  /// Safe from several threads.
  void read(const std::string& name, std::span<std::byte> destination) const;
  /// Reads bytes [offset, offset + destination.size()) of a tensor.
  void read(const std::string& name, uint64_t offset, std::span<std::byte> destination) const;

 private:
  /// Collects elements [first, last) of a tensor whose elements do not lie in order.
  std::vector<std::byte> gather(const std::string& name, int64_t first, int64_t last) const;

  InputFile file_;
  std::map<std::string, TensorInfo> tensors_;
  std::map<std::string, std::vector<int64_t>> strides_;  // of tensors that do not lie in order
};

}  // namespace peft
