#include "peft/training/checkpoint.h"

#include <algorithm>
#include <set>

#include "peft/methods/adapter_io.h"
#include "peft/training/tensor_file.h"
#include "peft/util/durable_file.h"
#include "peft/util/log.h"

namespace peft {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTrainable = "trainable.safetensors";
constexpr const char* kOptimizer = "optimizer.safetensors";
constexpr const char* kState = "trainer_state.json";
constexpr const char* kMethodState = "method_state.";

/// Keys that cannot change a number, and paths, whose contents are hashed.
bool changes_no_number(const std::string& path) {
  static const std::set<std::string> names = {"model.name_or_path",
                                              "data.train",
                                              "data.eval",
                                              "data.chat_template",
                                              "adapter.path",
                                              "adapter.base_model_name_or_path",
                                              "training.output_dir",
                                              "training.logging_steps",
                                              "training.save_steps",
                                              "training.save_total_limit",
                                              "training.resume_from_checkpoint",
                                              "training.gradient_checkpointing",
                                              "training.report_to"};
  return names.count(path) > 0;
}

bool is_allowed(const std::string& path, const std::vector<std::string>& allowed) {
  return std::any_of(allowed.begin(), allowed.end(), [&](const std::string& name) {
    return path == name || path.ends_with("." + name) || path.starts_with(name + ".");
  });
}

/// All that the adapter owns: what trains, and what the method keeps beside it.
NamedTensors owned_tensors(const Adapter& adapter) {
  NamedTensors all = adapter.trainable();
  for (auto& [name, tensor] : adapter.state()) {
    all.emplace_back(kMethodState + name, tensor);
  }
  return all;
}

}  // namespace

Json effective_config(const Json& config) {
  Json effective = Json::object();
  for (const auto& [section, keys] : config.items()) {
    for (const auto& [key, value] : keys.items()) {
      const std::string path = section + "." + key;
      if (!changes_no_number(path)) {
        effective[path] = value;
      }
    }
  }
  return effective;
}

std::vector<std::string> changed_fields(const Json& before, const Json& now,
                                        const std::vector<std::string>& allowed) {
  std::vector<std::string> names = allowed;
  for (const char* length : {"training.num_train_epochs", "training.max_steps"}) {
    if (is_allowed("training.num_train_epochs", allowed) ||
        is_allowed("training.max_steps", allowed)) {
      names.emplace_back(length);
    }
  }
  std::set<std::string> keys;
  for (const Json* side : {&before, &now}) {
    for (const auto& [key, value] : side->items()) {
      keys.insert(key);
    }
  }
  std::vector<std::string> changed;
  for (const std::string& key : keys) {
    const Json nothing;
    const Json& old = before.contains(key) ? before.at(key) : nothing;
    const Json& fresh = now.contains(key) ? now.at(key) : nothing;
    if (old != fresh && !is_allowed(key, names)) {
      changed.push_back(key);
    }
  }
  return changed;
}

void check_identity(const Manifest& manifest, const RunIdentity& identity,
                    const std::vector<std::string>& allowed, const fs::path& folder) {
  std::vector<std::string> faults;
  for (const std::string& name : changed_fields(manifest.config, identity.config, allowed)) {
    faults.push_back(fmt::format("{}: the checkpoint has {}, this run {}", name,
                                 json_excerpt(manifest.config.value(name, Json())),
                                 json_excerpt(identity.config.value(name, Json()))));
  }
  for (const std::string& name : changed_fields(manifest.identity, identity.hashes, allowed)) {
    faults.push_back(
        fmt::format("{}: not what the checkpoint was trained with (its hash differs)", name));
  }
  check<UsageError>(
      faults.empty(),
      "{}: belongs to another run; undo the change, or give --allow-changed=FIELD for each\n  {}",
      folder.string(), fmt::join(faults, "\n  "));
}

void write_checkpoint(const fs::path& run, const TrainState& state, const Adapter& adapter,
                      const Optimizer& optimizer, const RunIdentity& identity) {
  const NamedTensors owned = owned_tensors(adapter);
  const NamedTensors moments = optimizer.state();
  int64_t bytes = 0;
  for (const NamedTensors* list : {&owned, &owned, &moments}) {  // the adapter is there twice
    for (const auto& [name, tensor] : *list) {
      bytes += static_cast<int64_t>(tensor.nbytes());
    }
  }
  check_room(run, bytes);
  write_folder(checkpoint_path(run, state.step), /*overwrite=*/true, [&](const fs::path& folder) {
    write_tensors(folder / kTrainable, owned);
    write_tensors(folder / kOptimizer, moments);
    write_file(folder / kState, train_state_json(state).dump(2) + "\n");
    make_folders(folder / "adapter");
    save_adapter(adapter, folder / "adapter", identity.base);
    write_manifest(folder, {.step = state.step,
                            .tool = identity.tool,
                            .identity = identity.hashes,
                            .config = identity.config,
                            .files = {}});
  });
}

TrainState read_state(const fs::path& folder) {
  const fs::path file = folder / kState;
  return read_train_state(read_json<IntegrityError>(file), file.string());
}

TrainState restore_checkpoint(const fs::path& folder, Adapter& adapter, Optimizer& optimizer) {
  const fs::path file = folder / kTrainable;
  NamedTensors trainable;
  NamedTensors method;
  for (auto& [name, tensor] : read_named_tensors(file)) {
    const bool of_method = name.starts_with(kMethodState);
    (of_method ? method : trainable)
        .emplace_back(of_method ? name.substr(std::string_view(kMethodState).size()) : name,
                      tensor);
  }
  copy_tensors(trainable, adapter.trainable(), file.string());
  adapter.restore_state(method);
  optimizer.restore(read_named_tensors(folder / kOptimizer), (folder / kOptimizer).string());
  return read_state(folder);
}

std::optional<CheckpointFolder> newest_checkpoint(const fs::path& run,
                                                  std::optional<int64_t> latest) {
  for (const CheckpointFolder& found : list_checkpoints(run)) {
    if (latest && found.step > *latest) {
      continue;
    }
    try {
      verify_checkpoint(found.path);
      return found;
    } catch (const IntegrityError& fault) {
      log_warning("{} is passed over: {}", found.path.filename().string(), fault.what());
    }
  }
  return std::nullopt;
}

}  // namespace peft
