#include "peft/methods/adapter_io.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "peft/config/adapter_config.h"
#include "peft/config/model_family.h"
#include "peft/config/run_task.h"
#include "peft/io/safetensors.h"
#include "peft/methods/effective_scale.h"
#include "peft/methods/registry.h"
#include "peft/models/scalar_type.h"
#include "peft/util/durable_file.h"
#include "peft/util/log.h"
#include "peft/util/text.h"

namespace peft {
namespace {

constexpr const char* kConfig = "adapter_config.json";
constexpr size_t kMostLabelBytes = size_t{64} << 20;
constexpr const char* kPickledHubHead = "pytorch_model_head.bin";
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

bool is_hub_file(const std::filesystem::path& weights) {
  return weights.stem() == "adapter" || weights.stem() == "pytorch_adapter";
}

/// A classification head that AdapterHub keeps apart from its adapter.
void add_hub_head(const std::filesystem::path& directory, PickledWeights pickled,
                  StoredAdapter& stored) {
  NamedTensors head;
  if (std::filesystem::exists(directory / kHubHead)) {
    add_tensors({directory / kHubHead, WeightsFile::Form::kSafetensors}, head);
  } else if (std::filesystem::exists(directory / kPickledHubHead)) {
    if (pickled == PickledWeights::kRefused) {
      fail_as_pickled(directory, kPickledHubHead);
    }
    add_tensors({directory / kPickledHubHead, WeightsFile::Form::kPickled}, head);
  }
  std::erase_if(head, [](const auto& entry) { return !is_class_head(entry.first); });
  if (!head.empty()) {
    stored.config["task_type"] = "SEQ_CLS";
    stored.tensors.insert(stored.tensors.end(), head.begin(), head.end());
  }
}

/// "LABEL_3" names nothing: its number says as much.
bool same_label(const std::string& a, const std::string& b, size_t place) {
  const std::string number = std::to_string(place);
  const auto names_nothing = [&](const std::string& label) {
    return label == number || label == "LABEL_" + number;
  };
  return a == b || (names_nothing(a) && names_nothing(b));
}

/// The model's head must be the one that the adapter trained.
void check_head(const CausalLM& model, const StoredAdapter& stored) {
  const bool classifies = is_for_classifier(stored.config);
  check<ModelError>(classifies || model.new_parameters.empty(),
                    "{}: was not trained for the new classification head of this model",
                    stored.path.string());
  const std::vector<std::string> own = stored_labels(stored.path);
  const std::vector<std::string>& labels = model.shape().labels;
  for (size_t i = 0; i < own.size(); ++i) {
    check<ModelError>(i < labels.size() && same_label(own[i], labels[i], i),
                      "{}: label {} is \"{}\" here, the model's head has {}",
                      (stored.path / kLabelsFile).string(), i, escaped(own[i]),
                      i < labels.size() ? "\"" + escaped(labels[i]) + "\"" : "none");
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

std::vector<std::string> stored_labels(const std::filesystem::path& adapter) {
  const std::filesystem::path file = adapter / kLabelsFile;
  if (!std::filesystem::exists(file)) {
    return {};
  }
  const Json json = read_json<ModelError>(file, {.bytes = kMostLabelBytes});
  const Json names = json.is_object() ? json.value("id2label", Json()) : Json();
  check<ModelError>(names.is_object(), "{}: expected id2label, an object of names, found {}",
                    file.string(), json_excerpt(json));
  std::vector<std::string> labels;
  for (size_t i = 0; i < names.size(); ++i) {
    const Json name = names.value(std::to_string(i), Json());
    check<ModelError>(name.is_string(), "{}: id2label: expected a name for {}, found {}",
                      file.string(), i, json_excerpt(name));
    labels.push_back(name.get<std::string>());
  }
  return labels;
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
  if (is_hub_file(file.path())) {
    add_hub_head(directory, pickled, stored);
  }
  check_recorded_scale(stored);
  return stored;
}

std::unique_ptr<Adapter> load_adapter(CausalLM& model, const StoredAdapter& stored) {
  check_head(model, stored);
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
