#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "peft/io/weights_file.h"
#include "peft/util/json.h"

namespace peft {

/// The file `name` of a model folder with its symbolic links followed, or nothing when there is no
/// such file. A link may lead elsewhere in the folder or into the `blobs` of the same Hugging Face
/// cache entry; any other is a ModelError.
std::optional<std::filesystem::path> model_file(const std::filesystem::path& directory,
                                                const std::string& name);

/// A Hugging Face model folder: config, and every tensor by name over all shards. Headers only are
/// read here. Throws ModelError for a file that breaks a rule.
class HfDirectory {
 public:
  explicit HfDirectory(const std::filesystem::path& path,
                       PickledWeights pickled = PickledWeights::kRefused);

  const std::filesystem::path& path() const { return path_; }
  const Json& config() const { return config_; }
  /// Uses another config from here on: the same model with a new head, which the files lack.
  void give_new_head(Json config) {
    config_ = std::move(config);
    has_new_head_ = true;
  }
  bool has_new_head() const { return has_new_head_; }
  /// config.json's "model_type".
  const std::string& model_type() const { return model_type_; }
  /// generation_config.json's and config.json's eos ids, without duplicates.
  std::vector<int32_t> eos_token_ids() const { return eos_token_ids_; }

  /// All tensors over all shards. Safetensors' metadata aliases (dropped name -> stored name) are
  /// listed under `aliases`.
  const std::map<std::string, TensorInfo>& tensors() const { return tensors_; }
  const std::map<std::string, std::string>& aliases() const { return aliases_; }
  /// Reads bytes of one tensor (see SafetensorsFile::read).
  void read(const std::string& name, std::span<std::byte> destination) const;
  void read(const std::string& name, uint64_t offset, std::span<std::byte> destination) const;

  /// Sum of the tensors' bytes and elements.
  int64_t total_bytes() const;
  int64_t total_elements() const;

 private:
  struct Form;  // of the weights, and the names of their files

  void open_weights(PickledWeights pickled);
  bool open_shards(const Form& form);
  void add_shard(const std::filesystem::path& file, const Form& form);
  void check_index(const Json& weight_map, const std::vector<std::string>& shard_names,
                   const Form& form) const;
  void find_aliases();
  const WeightsFile& shard_with(const std::string& name) const;

  std::filesystem::path path_;
  Json config_;
  bool has_new_head_ = false;
  std::string model_type_;
  std::vector<int32_t> eos_token_ids_;
  std::vector<WeightsFile> shards_;
  std::map<std::string, TensorInfo> tensors_;
  std::map<std::string, size_t> shard_of_;
  std::map<std::string, std::string> aliases_;
};

}  // namespace peft
