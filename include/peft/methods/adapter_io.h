#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "peft/io/weights_file.h"
#include "peft/methods/adapter.h"

namespace peft {

/// A stored adapter: its complete config and its tensors.
struct StoredAdapter {
  Json config;
  NamedTensors tensors;
  std::filesystem::path path;
  std::filesystem::path weights = {};  ///< the file that the tensors came from
};

/// Writes `adapter.weights` and adapter_config.json below `adapter.path` as Hugging Face PEFT does:
/// float32, sorted keys. A tensor that is not finite is refused with NumericError, and no file is
/// touched.
void write_adapter(const StoredAdapter& adapter);

/// The same for an adapter at work. `base` is what base_model_name_or_path says.
void save_adapter(const Adapter& adapter, const std::filesystem::path& directory,
                  const std::string& base);

/// The labels beside an adapter, in the head's order; none: it names none. Throws ModelError.
std::vector<std::string> stored_labels(const std::filesystem::path& adapter);

/// Takes the labels beside one adapter, if it has some, to another of the same head.
void copy_labels(const std::filesystem::path& from, const std::filesystem::path& to);

/// Reads an adapter folder, ours or PEFT's; its tensors may be pickled where that is allowed.
/// Throws ModelError.
StoredAdapter read_adapter(const std::filesystem::path& directory,
                           PickledWeights pickled = PickledWeights::kRefused);

/// Puts a stored adapter on a model, strictly: nothing missing, nothing left over.
std::unique_ptr<Adapter> load_adapter(CausalLM& model, const StoredAdapter& stored);

}  // namespace peft
