#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "peft/io/ggml_types.h"
#include "peft/io/input_file.h"
#include "peft/util/json.h"

namespace peft {

/// One tensor of a GGUF file.
struct GgufTensor {
  const GgmlType* type = nullptr;  ///< one that can be read
  std::vector<int64_t>
      shape;           ///< outermost first, as Hugging Face writes it (GGUF stores it reversed)
  uint64_t begin = 0;  ///< byte offset in the file (absolute)
  uint64_t bytes = 0;

  int64_t elements() const;
  /// Elements of the innermost dimension; rows are stored whole.
  int64_t row_elements() const { return shape.back(); }
  int64_t rows() const { return elements() / row_elements(); }
};

/// A GGUF file (version 2 or 3) whose header has been read and checked. Every fault is a ModelError
/// that names the file and the key or tensor; tensors of types that cannot be read are one
/// error that lists them.
class GgufFile {
 public:
  explicit GgufFile(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return file_.path(); }
  /// All key-values in file order, as one flat object ("general.architecture": "llama").
  const Json& values() const { return values_; }
  const std::map<std::string, GgufTensor>& tensors() const { return tensors_; }

  /// Rows [row, row + destination.size() / row_elements) of a tensor as float32.
  void read_rows(const GgufTensor& tensor, int64_t row, std::span<float> destination) const;

 private:
  InputFile file_;
  Json values_ = Json::object();
  std::map<std::string, GgufTensor> tensors_;
};

}  // namespace peft
