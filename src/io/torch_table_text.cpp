#include <utility>

#include "peft/io/torch_table.h"
#include "peft/util/error.h"
#include "peft/util/json.h"
#include "peft/util/text.h"

namespace peft {
namespace {

constexpr size_t kHighestTableRank = 8;

/// A number of a row that is an integer from 0 to 2^63 - 1.
int64_t size_in(const Json& value, const std::string& where) {
  check<ModelError>(value.is_number_unsigned() && std::in_range<int64_t>(value.get<uint64_t>()),
                    "{}: expected a size, found {}", where, json_excerpt(value));
  return value.get<int64_t>();
}

std::vector<int64_t> sizes_in(const Json& value, const std::string& where) {
  check<ModelError>(value.is_array() && value.size() <= kHighestTableRank,
                    "{}: expected at most {} sizes, found {}", where, kHighestTableRank,
                    json_excerpt(value));
  std::vector<int64_t> sizes;
  for (const Json& size : value) {
    sizes.push_back(size_in(size, where));
  }
  return sizes;
}

/// Bytes from a tensor's first element to the end of its last.
uint64_t span_of(const TorchTensor& tensor, const std::string& where) {
  if (tensor.strides.empty() || tensor.info.bytes == 0) {
    return tensor.info.bytes;
  }
  check<ModelError>(tensor.strides.size() == tensor.info.shape.size(),
                    "{}: {} strides for {} dimensions", where, tensor.strides.size(),
                    tensor.info.shape.size());
  const std::optional<int64_t> last = reach(tensor.info.shape, tensor.strides);
  int64_t span = 0;
  check<ModelError>(last && !__builtin_add_overflow(*last, 1, &span) &&
                        !__builtin_mul_overflow(span, element_size(tensor.info.dtype), &span),
                    "{}: its strides reach too far", where);
  return static_cast<uint64_t>(span);
}

TorchTensor tensor_in(const Json& row, const InputFile& file, const std::string& where) {
  check<ModelError>(row[1].is_string(), "{}: expected a dtype, found {}", where,
                    json_excerpt(row[1]));
  TorchTensor tensor;
  tensor.info.dtype = dtype_named(row[1].get<std::string>(), where);
  tensor.info.begin = static_cast<uint64_t>(size_in(row[2], where));
  tensor.info.shape = sizes_in(row[3], where);
  tensor.info.bytes = tensor_bytes(tensor.info.dtype, tensor.info.shape, where);
  if (row.size() == 5) {
    tensor.strides = sizes_in(row[4], where);
  }
  const uint64_t span = span_of(tensor, where);
  const bool inside = tensor.info.begin <= file.size() && span <= file.size() - tensor.info.begin &&
                      tensor.info.bytes <= file.size();  // elements may share their bytes
  check<ModelError>(inside, "{}: its {} bytes from {} on leave the file", where, span,
                    tensor.info.begin);
  return tensor;
}

}  // namespace

std::string torch_table_text(const TorchTable& table) {
  std::string text = "[";
  for (const auto& [name, tensor] : table) {
    text += fmt::format("{}\n[{},\"{}\",{},[{}]", text.size() == 1 ? "" : ",", Json(name).dump(),
                        dtype_name(tensor.info.dtype), tensor.info.begin,
                        fmt::join(tensor.info.shape, ","));
    text += tensor.strides.empty() ? "]" : fmt::format(",[{}]]", fmt::join(tensor.strides, ","));
  }
  return text + "\n]\n";
}

TorchTable parse_torch_table(const std::string& text, const InputFile& file) {
  const std::string where = file.path().string() + ": table of tensors";
  const Json rows = parse_json<ModelError>(text, where, {.bytes = text.size(), .depth = 3});
  check<ModelError>(rows.is_array() && rows.size() <= kMostTorchTensors,
                    "{}: expected a list of at most {} tensors", where, kMostTorchTensors);
  TorchTable table;
  for (const Json& row : rows) {
    check<ModelError>(row.is_array() && (row.size() == 4 || row.size() == 5) &&
                          row[0].is_string() && is_tensor_name(row[0].get<std::string>()),
                      "{}: expected the row of a tensor, found {}", where, json_excerpt(row));
    const auto name = row[0].get<std::string>();
    check<ModelError>(table.emplace(name, tensor_in(row, file, where + ": " + name)).second,
                      "{}: {}: is there twice", where, name);
  }
  return table;
}

}  // namespace peft
