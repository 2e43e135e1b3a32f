#include "peft/methods/adapter_io.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "peft/config/adapter_config.h"
#include "peft/config/model_family.h"
#include "peft/io/safetensors.h"
#include "peft/methods/effective_scale.h"
#include "peft/methods/registry.h"
#include "peft/models/scalar_type.h"
#include "peft/util/durable_file.h"
#include "peft/util/log.h"

namespace peft {
namespace {

constexpr const char* kConfig = "adapter_config.json";
constexpr size_t kMostLabelBytes = size_t{64} << 20;
constexpr const char* kHubHead = "model_head.safetensors";

/// Members in alphabetical order; what they hold stays as it is, since the order of a pattern's
/// keys has a meaning.
Json sorted(const Json& object) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : object.items()) {
    keys.push_back(key);
  }
  std::sort(keys.begin(), keys.end());
  Json result = Json::object();
  for (const std::string& key : keys) {
    result[key] = object.at(key);
  }
  return result;
}

/// An update of LoRA is B A, and B starts at zero.
bool changes_nothing(const NamedTensors& tensors) {
  bool any = false;
  for (const auto& [name, tensor] : tensors) {
    const bool is_b = name.ends_with(".lora_B.weight") || name.ends_with(".lora_embedding_A");
    const bool is_a = name.ends_with(".lora_A.weight") || name.ends_with(".lora_embedding_B");
    if ((!is_a && !is_b) || (is_b && tensor.count_nonzero().item<int64_t>() > 0)) {
      return false;
    }
    any = any || is_b;
  }
  return any;
}

void add_tensors(const WeightsFile& file, NamedTensors& tensors) {
  for (const auto& [name, info] : file.tensors()) {
    Tensor tensor =
        at::empty(info.shape, scalar_type(info.dtype, file.path().string() + ": " + name));
    file.read(name,
              {static_cast<std::byte*>(tensor.data_ptr()), static_cast<size_t>(tensor.nbytes())});
    tensors.emplace_back(name, tensor);
  }
}

}  // namespace

void save_adapter(const Adapter& adapter, const std::filesystem::path& directory,
                  const std::string& base) {
  write_adapter({adapter.file_config(base), adapter.exported(), directory,
                 directory / adapter.weights_file()});
  for (const auto& [name, content] : adapter.other_files()) {
    write_file(directory / name, content.dump(2) + "\n");
  }
}

void copy_labels(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (std::filesystem::exists(from / kLabelsFile)) {
    write_file(to / kLabelsFile, read_text<ModelError>(from / kLabelsFile, kMostLabelBytes));
  }
}

void write_adapter(const StoredAdapter& adapter) {
  std::vector<Tensor> host;
  std::vector<TensorToWrite> tensors, head;
  for (const auto& [name, tensor] : adapter.tensors) {
    host.push_back(tensor.detach().to(at::kCPU, at::kFloat).contiguous());
    check<NumericError>(host.back().isfinite().all().item<bool>(),
                        "{}: {} holds values that are not finite; nothing was written",
                        adapter.path.string(), name);
    // PEFT's names have a prefix; AdapterHub keeps a head apart from its adapter.
    (is_class_head(name) ? head : tensors)
        .push_back({name,
                    Dtype::kF32,
                    host.back().sizes().vec(),
                    {static_cast<const std::byte*>(host.back().const_data_ptr()),
                     static_cast<size_t>(host.back().nbytes())}});
  }
  std::filesystem::create_directories(adapter.path);
  write_safetensors(adapter.weights, std::move(tensors));
  if (!head.empty()) {
    write_safetensors(adapter.path / kHubHead, std::move(head));
  }
  write_file(adapter.path / kConfig, sorted(adapter.config).dump(2) + "\n");
}

StoredAdapter read_adapter(const std::filesystem::path& directory, PickledWeights pickled) {
  check<ModelError>(std::filesystem::is_directory(directory), "{}: no such folder",
                    directory.string());
  const std::string where = (directory / kConfig).string();
  const WeightsFile file = open_adapter_weights(directory, pickled);
  StoredAdapter stored{complete_adapter_config(read_json<ModelError>(directory / kConfig), where),
                       {},
                       directory,
                       file.path()};
  add_tensors(file, stored.tensors);
  check<ModelError>(!stored.tensors.empty(), "{}: holds no tensors", file.path().string());
  if (std::filesystem::exists(directory / kHubHead)) {
    add_tensors({directory / kHubHead, WeightsFile::Form::kSafetensors}, stored.tensors);
    stored.config["task_type"] = "SEQ_CLS";
  }
  check_recorded_scale(stored);
  return stored;
}

std::unique_ptr<Adapter> load_adapter(CausalLM& model, const StoredAdapter& stored) {
  std::unique_ptr<Adapter> adapter = attach_adapter(model, stored.config, /*seed=*/0);
  adapter->import_tensors(stored.tensors, stored.path.string());
  if (changes_nothing(stored.tensors)) {
    log_warning("{}: B is zero everywhere, so this adapter changes nothing: was it trained?",
                stored.path.string());
  }
  check_scales(*adapter, stored.config, stored.tensors, stored.path.string());
  adapter->train(false);
  return adapter;
}

}  // namespace peft
