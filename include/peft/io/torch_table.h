#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "peft/io/input_file.h"
#include "peft/io/safetensors.h"

namespace peft {

constexpr size_t kMostTorchTensors = 500'000;

/// Where one tensor of a pickled file lies. `strides` count elements; they are left out where the
/// elements lie in order.
struct TorchTensor {
  TensorInfo info;
  std::vector<int64_t> strides;
};

/// The tensors of a pickled file by name.
using TorchTable = std::map<std::string, TorchTensor>;

/// Reads the table in this process: the records of the zip file, or what stands in their place in
/// the older form, and the pickle as data (io/pickle.h). All tensors lie inside the file. Throws
/// ModelError that names the file.
TorchTable read_torch_table(const InputFile& file);

/// Who reads the table of every TorchFile of this process; read_torch_table unless told otherwise
/// (pickle_child.h).
using TorchTableReader = TorchTable (*)(const InputFile& file);
TorchTableReader torch_table_reader();
/// Before the first TorchFile.
void set_torch_table_reader(TorchTableReader reader);

/// The table as JSON: one [name, dtype, begin, shape] or [name, dtype, begin, shape, strides] per
/// tensor.
std::string torch_table_text(const TorchTable& table);
/// The way back, for text that comes from elsewhere: rows of another form, names that are none, and
/// tensors that leave the file are refused with ModelError.
TorchTable parse_torch_table(const std::string& text, const InputFile& file);

/// Elements between two along each dimension of a tensor that lies in order.
std::vector<int64_t> ordered_strides(const std::vector<int64_t>& shape);
/// How far the last element lies from the first, in elements; nothing where that leaves 63 bits.
/// Neither sizes nor strides are negative.
std::optional<int64_t> reach(const std::vector<int64_t>& shape,
                             const std::vector<int64_t>& strides);
/// True for 1 to 1024 bytes of UTF-8 without control characters.
bool is_tensor_name(const std::string& name);

}  // namespace peft
