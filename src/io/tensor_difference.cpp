#include "peft/io/tensor_difference.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "peft/io/float_formats.h"
#include "peft/util/error.h"

namespace peft {
namespace {

constexpr int64_t kPieceElements = int64_t{1} << 16;

template <class T>
T loaded(const std::byte* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}

template <class T, class Convert>
void decode(const std::vector<std::byte>& bytes, std::vector<double>& values,
            const Convert& convert) {
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<double>(convert(loaded<T>(bytes.data() + i * sizeof(T))));
  }
}

template <class T>
void decode(const std::vector<std::byte>& bytes, std::vector<double>& values) {
  decode<T>(bytes, values, [](T value) { return value; });
}

void decode(Dtype dtype, const std::vector<std::byte>& bytes, std::vector<double>& values,
            const std::string& where) {
  switch (dtype) {
    case Dtype::kF32:
      return decode<float>(bytes, values);
    case Dtype::kF64:
      return decode<double>(bytes, values);
    case Dtype::kF16:
      return decode<uint16_t>(bytes, values, float_from_half);
    case Dtype::kBF16:
      return decode<uint16_t>(bytes, values, float_from_bfloat16);
    case Dtype::kBool:
    case Dtype::kU8:
      return decode<uint8_t>(bytes, values);
    case Dtype::kI8:
      return decode<int8_t>(bytes, values);
    case Dtype::kI16:
      return decode<int16_t>(bytes, values);
    case Dtype::kU16:
      return decode<uint16_t>(bytes, values);
    case Dtype::kI32:
      return decode<int32_t>(bytes, values);
    case Dtype::kU32:
      return decode<uint32_t>(bytes, values);
    case Dtype::kI64:
      return decode<int64_t>(bytes, values);
    case Dtype::kU64:
      return decode<uint64_t>(bytes, values);
    case Dtype::kF8E5M2:
    case Dtype::kF8E4M3:
      break;
  }
  fail<ModelError>("{}: values of type {} are not compared", where, dtype_name(dtype));
}

/// Reads one tensor from its start to its end.
class Values {
 public:
  Values(const WeightsFile& file, const std::string& name)
      : file_(file), name_(name), info_(file.tensors().at(name)) {}

  const std::vector<double>& piece(int64_t begin, int64_t count) {
    const auto width = static_cast<uint64_t>(element_size(info_.dtype));
    bytes_.resize(static_cast<uint64_t>(count) * width);
    values_.resize(static_cast<size_t>(count));
    file_.read(name_, static_cast<uint64_t>(begin) * width, bytes_);
    decode(info_.dtype, bytes_, values_, file_.path().string() + ": " + name_);
    return values_;
  }
  const TensorInfo& info() const { return info_; }

 private:
  const WeightsFile& file_;
  const std::string& name_;
  const TensorInfo& info_;
  std::vector<std::byte> bytes_;
  std::vector<double> values_;
};

}  // namespace

double TensorDifference::relative() const {
  if (squares == 0.0) {
    return 0.0;
  }
  return original > 0.0 ? std::sqrt(squares / original) : std::numeric_limits<double>::infinity();
}

TensorDifference& TensorDifference::operator+=(const TensorDifference& other) {
  largest = std::isnan(largest) || other.largest <= largest ? largest : other.largest;
  squares += other.squares;
  original += other.original;
  return *this;
}

TensorDifference tensor_difference(const WeightsFile& a, const WeightsFile& b,
                                   const std::string& name) {
  Values first(a, name);
  Values second(b, name);
  check<ModelError>(first.info().shape == second.info().shape,
                    "{}: {}: expected the shape that {} has", b.path().string(), name,
                    a.path().string());
  TensorDifference sum;
  const int64_t count = first.info().elements();
  for (int64_t begin = 0; begin < count; begin += kPieceElements) {
    const int64_t length = std::min(kPieceElements, count - begin);
    const std::vector<double>& x = first.piece(begin, length);
    const std::vector<double>& y = second.piece(begin, length);
    TensorDifference part;
    for (size_t i = 0; i < x.size(); ++i) {
      const double distance = std::abs(x[i] - y[i]);
      part.largest = distance > part.largest || std::isnan(distance) ? distance : part.largest;
      part.squares += distance * distance;
      part.original += x[i] * x[i];
    }
    sum += part;
  }
  return sum;
}

}  // namespace peft
