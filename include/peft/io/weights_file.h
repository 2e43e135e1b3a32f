#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <variant>

#include "peft/io/safetensors.h"
#include "peft/io/torch_file.h"

namespace peft {

/// Whether a folder may give its weights as pickles, where it has no safetensors.
enum class PickledWeights { kRefused, kAllowed };
/// kAllowed if `allow_pickle`.
PickledWeights pickled_weights(bool allow_pickle);

/// Says that a folder's weights are pickled only, in `file`, and what would have them read.
[[noreturn]] void fail_as_pickled(const std::filesystem::path& folder, const std::string& file);

/// A file of tensors in either form. Every fault is a ModelError that names the file.
class WeightsFile {
 public:
  enum class Form { kSafetensors, kPickled };
  WeightsFile(const std::filesystem::path& path, Form form);

  const std::filesystem::path& path() const;
  const std::map<std::string, TensorInfo>& tensors() const;
  /// What a safetensors file says beside its tensors; empty for a pickled one.
  const std::map<std::string, std::string>& metadata() const;

  /// Reads a tensor or bytes of it (see SafetensorsFile::read).
  void read(const std::string& name, std::span<std::byte> destination) const;
  void read(const std::string& name, uint64_t offset, std::span<std::byte> destination) const;

 private:
  std::variant<SafetensorsFile, TorchFile> file_;
};

}  // namespace peft
