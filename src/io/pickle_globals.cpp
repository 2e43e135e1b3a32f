#include "pickle_globals.h"

#include <array>

namespace peft {
namespace {

struct NamedDtype {
  const char* name;
  Dtype dtype;
};

constexpr std::array<NamedDtype, 10> kStorages = {{{"torch.FloatStorage", Dtype::kF32},
                                                   {"torch.HalfStorage", Dtype::kF16},
                                                   {"torch.BFloat16Storage", Dtype::kBF16},
                                                   {"torch.DoubleStorage", Dtype::kF64},
                                                   {"torch.LongStorage", Dtype::kI64},
                                                   {"torch.IntStorage", Dtype::kI32},
                                                   {"torch.ShortStorage", Dtype::kI16},
                                                   {"torch.CharStorage", Dtype::kI8},
                                                   {"torch.ByteStorage", Dtype::kU8},
                                                   {"torch.BoolStorage", Dtype::kBool}}};

constexpr std::array<NamedDtype, 15> kTorchDtypes = {{{"torch.float32", Dtype::kF32},
                                                      {"torch.float16", Dtype::kF16},
                                                      {"torch.bfloat16", Dtype::kBF16},
                                                      {"torch.float64", Dtype::kF64},
                                                      {"torch.int64", Dtype::kI64},
                                                      {"torch.int32", Dtype::kI32},
                                                      {"torch.int16", Dtype::kI16},
                                                      {"torch.int8", Dtype::kI8},
                                                      {"torch.uint8", Dtype::kU8},
                                                      {"torch.uint16", Dtype::kU16},
                                                      {"torch.uint32", Dtype::kU32},
                                                      {"torch.uint64", Dtype::kU64},
                                                      {"torch.bool", Dtype::kBool},
                                                      {"torch.float8_e4m3fn", Dtype::kF8E4M3},
                                                      {"torch.float8_e5m2", Dtype::kF8E5M2}}};

template <size_t N>
std::optional<Dtype> dtype_in(const std::array<NamedDtype, N>& table, const std::string& name) {
  for (const NamedDtype& entry : table) {
    if (name == entry.name) {
      return entry.dtype;
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<Dtype> storage_dtype(const std::string& name) {
  return dtype_in(kStorages, name);
}

std::optional<Dtype> torch_dtype(const std::string& name) {
  return dtype_in(kTorchDtypes, name);
}

bool is_allowed_global(const std::string& name) {
  for (const char* allowed :
       {kUntypedStorage, kTensorV2, kTensorV3, kParameter, kSize, kOrderedDict}) {
    if (name == allowed) {
      return true;
    }
  }
  return storage_dtype(name) || torch_dtype(name);
}

}  // namespace peft
