#include "peft/interchange/gguf_weights.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "peft/io/float_formats.h"
#include "peft/util/error.h"
#include "peft/util/text.h"

namespace peft {
namespace {

constexpr int64_t kElementsAtOnce = int64_t{1} << 20;

/// All disagreements between the file's tensors and the config's, in one message.
void check_tensors(const GgufFile& file, const GgufModel& model) {
  std::vector<std::string> faults;
  std::set<std::string> known(model.settings.begin(), model.settings.end());
  for (const auto& [name, source] : model.weights) {
    if (!known.insert(source.gguf_name).second) {
      continue;  // another expert of the same stack
    }
    const auto found = file.tensors().find(source.gguf_name);
    if (found == file.tensors().end()) {
      faults.push_back(source.gguf_name + ": not in the file");
    } else if (const std::vector<int64_t> expected = source.gguf_shape();
               found->second.shape != expected) {
      faults.push_back(fmt::format("{}: expected ({}), found ({})", source.gguf_name,
                                   fmt::join(expected, ", "),
                                   fmt::join(found->second.shape, ", ")));
    }
  }
  for (const auto& [name, tensor] : file.tensors()) {
    if (known.count(name) == 0) {
      faults.push_back(name + ": not a tensor of this architecture");
    }
  }
  check<ModelError>(faults.empty(), "{}: {} tensors do not fit the model it describes\n  {}",
                    file.path().string(), faults.size(), join(faults, "\n  "));
}

/// Moves row r to row to(r).
template <class To>
std::vector<float> moved_rows(const std::vector<float>& values, int64_t rows, To to) {
  const int64_t width = static_cast<int64_t>(values.size()) / rows;
  std::vector<float> out(values.size());
  for (int64_t row = 0; row < rows; ++row) {
    std::copy_n(values.begin() + row * width, width, out.begin() + to(row) * width);
  }
  return out;
}

/// llama.cpp rotates neighbours, Hugging Face halves: row 2 i + c of a head there is row
/// c Dh / 2 + i here.
std::vector<float> with_halves(const std::vector<float>& values, int64_t rows, int64_t heads) {
  const int64_t head_dim = rows / heads;
  return moved_rows(values, rows, [=](int64_t row) {
    const int64_t i = row % head_dim;
    return row - i + i % 2 * (head_dim / 2) + i / 2;
  });
}

/// Row i of head h of part p (q, k or v): (p H + h) Dh + i there is (h 3 + p) Dh + i here.
std::vector<float> grouped_by_head(const std::vector<float>& values, int64_t rows, int64_t heads) {
  const int64_t head_dim = rows / (3 * heads);
  return moved_rows(values, rows, [=](int64_t row) {
    const int64_t part = row / (heads * head_dim);
    const int64_t head = row / head_dim % heads;
    return (head * 3 + part) * head_dim + row % head_dim;
  });
}

/// (rows, columns) to (columns, rows).
std::vector<float> transposed(const std::vector<float>& values, int64_t rows) {
  const int64_t columns = static_cast<int64_t>(values.size()) / rows;
  std::vector<float> out;
  out.reserve(values.size());
  for (int64_t column = 0; column < columns; ++column) {
    for (int64_t row = 0; row < rows; ++row) {
      out.push_back(values[static_cast<size_t>(row * columns + column)]);
    }
  }
  return out;
}

/// A whole tensor's values as Hugging Face has them.
std::vector<float> restored(std::vector<float> values, const GgufSource& source, int64_t rows) {
  switch (source.change) {
    case GgufChange::kNone:
      break;
    case GgufChange::kInterleaved:
      return with_halves(values, rows, source.heads);
    case GgufChange::kGroupedByPart:
      return grouped_by_head(values, rows, source.heads);
    case GgufChange::kTransposed:
      return transposed(values, rows);
    case GgufChange::kPlusOne:
      std::transform(values.begin(), values.end(), values.begin(),
                     [](float value) { return value - 1.0f; });
  }
  return values;
}

/// Rounds values to `dtype` and gives them to the sink.
void write_values(const std::vector<float>& values, Dtype dtype, const std::string& where,
                  const ByteSink& sink) {
  if (dtype == Dtype::kF32) {
    sink(std::as_bytes(std::span(values)));
    return;
  }
  std::vector<uint16_t> rounded(values.size());
  std::transform(values.begin(), values.end(), rounded.begin(),
                 dtype == Dtype::kBF16 ? bfloat16_from_float : half_from_float);
  if (dtype == Dtype::kF16) {
    for (size_t i = 0; i < values.size(); ++i) {
      check<ModelError>((rounded[i] & 0x7FFFu) != 0x7C00u || std::isinf(values[i]),
                        "{}: {} does not fit float16; choose bfloat16 or float32", where,
                        values[i]);
    }
  }
  sink(std::as_bytes(std::span(rounded)));
}

void write_tensor(const GgufFile& file, const GgufSource& source, Dtype dtype,
                  const ByteSink& sink) {
  const GgufTensor& tensor = file.tensors().at(source.gguf_name);
  const std::string where = fmt::format("{}: {}", file.path().string(), source.gguf_name);
  const int64_t all_rows = tensor.rows() / std::max<int64_t>(source.experts, 1);
  const int64_t first = source.expert * all_rows;
  // Rows of a changed tensor do not stay where they are: it is read whole.
  const int64_t rows_at_once = source.change != GgufChange::kNone
                                   ? all_rows
                                   : std::max<int64_t>(1, kElementsAtOnce / tensor.row_elements());
  for (int64_t row = 0; row < all_rows; row += rows_at_once) {
    const int64_t rows = std::min(rows_at_once, all_rows - row);
    std::vector<float> values(static_cast<size_t>(rows * tensor.row_elements()));
    file.read_rows(tensor, first + row, values);
    write_values(restored(std::move(values), source, tensor.shape[0]), dtype, where, sink);
  }
}

}  // namespace

int64_t write_gguf_weights(const GgufFile& file, const GgufModel& model, Dtype dtype,
                           const std::filesystem::path& out) {
  check_tensors(file, model);
  std::vector<TensorLayout> layouts;
  int64_t elements = 0;
  for (const auto& [name, source] : model.weights) {
    layouts.push_back({name, dtype, source.shape});
    elements +=
        std::accumulate(source.shape.begin(), source.shape.end(), int64_t{1}, std::multiplies<>());
  }
  write_safetensors(out, std::move(layouts), [&](const TensorLayout& tensor, const ByteSink& sink) {
    write_tensor(file, model.weights.at(tensor.name), dtype, sink);
  });
  return elements;
}

}  // namespace peft
