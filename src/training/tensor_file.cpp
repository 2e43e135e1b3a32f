#include "peft/training/tensor_file.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>

#include "peft/io/safetensors.h"

namespace peft {
namespace {

constexpr std::pair<Dtype, at::ScalarType> kTypes[] = {
    {Dtype::kF32, at::kFloat},     {Dtype::kF64, at::kDouble}, {Dtype::kI64, at::kLong},
    {Dtype::kI32, at::kInt},       {Dtype::kBool, at::kBool},  {Dtype::kU8, at::kByte},
    {Dtype::kBF16, at::kBFloat16}, {Dtype::kF16, at::kHalf},
};

std::string shape_of(const Tensor& tensor) {
  return fmt::format("{} ({})", c10::toString(tensor.scalar_type()),
                     fmt::join(tensor.sizes(), ", "));
}

}  // namespace

void write_tensors(const std::filesystem::path& file, const NamedTensors& tensors) {
  std::vector<Tensor> host;
  std::vector<TensorToWrite> list;
  for (const auto& [name, tensor] : tensors) {
    host.push_back(tensor.detach().to(at::kCPU).contiguous());
    const auto* const type =
        std::find_if(std::begin(kTypes), std::end(kTypes),
                     [&](const auto& entry) { return entry.second == host.back().scalar_type(); });
    TORCH_INTERNAL_ASSERT(type != std::end(kTypes), name, " has a dtype that is not stored");
    list.push_back({name,
                    type->first,
                    host.back().sizes().vec(),
                    {static_cast<const std::byte*>(host.back().const_data_ptr()),
                     static_cast<size_t>(host.back().nbytes())}});
  }
  write_safetensors(file, std::move(list));
}

NamedTensors read_named_tensors(const std::filesystem::path& path) {
  const SafetensorsFile file(path);
  NamedTensors tensors;
  for (const auto& [name, info] : file.tensors()) {
    const auto* const type =
        std::find_if(std::begin(kTypes), std::end(kTypes),
                     [&dtype = info.dtype](const auto& entry) { return entry.first == dtype; });
    check<ModelError>(type != std::end(kTypes), "{}: {}: the dtype {} is not read here",
                      path.string(), name, dtype_name(info.dtype));
    Tensor tensor = at::empty(info.shape, type->second);
    file.read(name,
              {static_cast<std::byte*>(tensor.data_ptr()), static_cast<size_t>(tensor.nbytes())});
    tensors.emplace_back(name, tensor);
  }
  return tensors;
}

void copy_tensors(const NamedTensors& from, const NamedTensors& to, const std::string& where) {
  const std::map<std::string, Tensor> given(from.begin(), from.end());
  std::map<std::string, Tensor> left = given;
  std::vector<std::string> faults;
  for (const auto& [name, tensor] : to) {
    const auto found = given.find(name);
    if (found == given.end()) {
      faults.push_back(fmt::format("{}: not in the file", name));
    } else if (shape_of(found->second) != shape_of(tensor)) {
      faults.push_back(fmt::format("{}: expected {}, found {}", name, shape_of(tensor),
                                   shape_of(found->second)));
    }
    left.erase(name);
  }
  for (const auto& [name, tensor] : left) {
    faults.push_back(fmt::format("{}: this run has no such tensor", name));
  }
  check<ModelError>(faults.empty(), "{}: {} tensors do not fit\n  {}", where, faults.size(),
                    fmt::join(faults, "\n  "));
  const at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : to) {
    Tensor target = tensor;
    target.copy_(given.at(name));
  }
}

}  // namespace peft
