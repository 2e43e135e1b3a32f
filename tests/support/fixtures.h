#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "peft/io/hf_directory.h"
#include "peft/io/safetensors.h"
#include "peft/models/load.h"

namespace peft {

/// A committed fixture below tests/fixtures.
inline std::filesystem::path fixture(const std::string& name) {
  return std::filesystem::path(PEFT_SOURCE_DIR) / "tests" / "fixtures" / name;
}

/// The folder of real models and data, or an empty path where there is none.
inline std::filesystem::path test_data() {
  const char* const given = std::getenv("PEFT_TEST_DATA");
  const std::filesystem::path folder =
      given != nullptr ? given : std::filesystem::path(PEFT_SOURCE_DIR) / ".." / "shared" / "data";
  return std::filesystem::is_directory(folder) ? folder : std::filesystem::path();
}

/// All tensors of a safetensors file (F32 and I64).
inline std::map<std::string, Tensor> read_tensors(const std::filesystem::path& path) {
  const SafetensorsFile file(path);
  std::map<std::string, Tensor> tensors;
  for (const auto& [name, info] : file.tensors()) {
    const auto type = info.dtype == Dtype::kI64 ? at::kLong : at::kFloat;
    Tensor tensor = at::empty(info.shape, type);
    file.read(name,
              {static_cast<std::byte*>(tensor.data_ptr()), static_cast<size_t>(tensor.nbytes())});
    tensors.emplace(name, tensor);
  }
  return tensors;
}

inline std::vector<int32_t> ids_of(const Tensor& tensor) {
  const Tensor ids = tensor.to(at::kInt).contiguous();
  return {ids.const_data_ptr<int32_t>(), ids.const_data_ptr<int32_t>() + ids.numel()};
}

/// A tiny committed checkpoint in float32 on the CPU: "llama", or a classifier, "classifiers/bert".
inline std::unique_ptr<CausalLM> fixture_model(const std::string& name) {
  const std::string folder = name.find('/') == std::string::npos ? "models/" + name : name;
  return load_model(HfDirectory(fixture(folder)), at::kFloat, at::kCPU);
}

/// Logits of one sequence, (tokens, V); of a classifier (1, classes).
inline Tensor logits_of(const CausalLM& model, const std::vector<int32_t>& ids) {
  const at::NoGradGuard no_grad;
  return model.logits(make_batch({ids}));
}

/// At most 1e-4 of the expected logits' standard deviation apart, everywhere; of a single number's
/// size.
inline void expect_same_logits(const Tensor& actual, const Tensor& expected) {
  ASSERT_EQ(actual.sizes(), expected.sizes());
  const double difference = (actual - expected).abs().max().item<double>();
  const Tensor scale = expected.numel() > 1 ? expected.std() : expected.abs().max();
  EXPECT_LE(difference, 1e-4 * scale.item<double>());
}

/// A folder that ends with the test.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "peft-test-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace peft
