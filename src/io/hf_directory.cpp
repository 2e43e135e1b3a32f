#include "peft/io/hf_directory.h"

#include <algorithm>
#include <limits>
#include <system_error>

#include "peft/util/error.h"
#include "peft/util/text.h"

namespace peft {
namespace {

namespace fs = std::filesystem;

constexpr size_t kLargestIndex = size_t{64} << 20;
constexpr const char* kSingleFile = "model.safetensors";
constexpr const char* kIndexFile = "model.safetensors.index.json";
constexpr const char* kPickledFile = "pytorch_model.bin";
constexpr const char* kPickledIndexFile = "pytorch_model.bin.index.json";

bool lies_in(const fs::path& file, const fs::path& folder) {
  const auto [end, unused] = std::mismatch(folder.begin(), folder.end(), file.begin(), file.end());
  return end == folder.end();
}

/// For CACHE/models--x--y/snapshots/REVISION: CACHE/models--x--y/blobs, where its links lead.
std::optional<fs::path> blobs_of(const fs::path& directory) {
  const fs::path snapshots = directory.parent_path();
  if (snapshots.filename() != "snapshots") {
    return std::nullopt;
  }
  return snapshots.parent_path() / "blobs";
}

void check_directory(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  check<ModelError>(fs::exists(status), "{}: no such folder", path.string());
  check<ModelError>(fs::is_directory(status), "{}: expected a model folder, found a file{}",
                    path.string(),
                    path.extension() == ".gguf" ? "; `peft import` makes a folder of it" : "");
}

/// Says what the folder has instead of weights that can be read.
[[noreturn]] void fail_without_weights(const fs::path& path) {
  const auto has = [&](const char* name) { return fs::exists(path / name); };
  if (has(kPickledFile) || has(kPickledIndexFile)) {
    fail_as_pickled(path, kPickledFile);
  }
  for (const fs::directory_entry& entry : fs::directory_iterator(path)) {
    if (entry.path().extension() == ".gguf") {
      fail<ModelError>("{}: has no {}; make a model folder with `peft import {}`", path.string(),
                       kSingleFile, entry.path().string());
    }
  }
  fail<ModelError>("{}: has neither {} nor {}", path.string(), kSingleFile, kIndexFile);
}

/// A shard's name is a plain file name: it comes from a stranger and must not lead anywhere.
void check_shard_name(const std::string& name, const std::string& ending,
                      const std::string& where) {
  const bool plain = name.find_first_of(std::string_view("/\\:\0", 4)) == std::string::npos &&
                     !name.starts_with('.') && name.ends_with(ending);
  check<ModelError>(plain, "{}: weight_map: \"{}\" is not the name of a shard", where,
                    escaped(name));
}

std::vector<std::string> shard_names(const Json& weight_map, const std::string& ending,
                                     const std::string& where) {
  check<ModelError>(weight_map.is_object(), "{}: weight_map: expected an object, found {}", where,
                    json_kind(weight_map));
  std::vector<std::string> names;
  for (const auto& [tensor, shard] : weight_map.items()) {
    check<ModelError>(shard.is_string(), "{}: weight_map: {}: expected a string, found {}", where,
                      escaped(tensor), json_excerpt(shard));
    names.push_back(shard.get<std::string>());
    check_shard_name(names.back(), ending, where);
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

/// "metadata": {"total_size": ...}, where it is given; some writers made it a float.
void check_total_size(const Json& index, int64_t total_bytes, const std::string& where) {
  const auto metadata = index.find("metadata");
  if (metadata == index.end() || metadata->is_null()) {
    return;
  }
  JsonReader<ModelError> reader(*metadata, where + ": metadata");
  double size = 0.0;
  if (reader.read("total_size", size)) {
    check<ModelError>(size == static_cast<double>(total_bytes),
                      "{}: metadata: total_size: expected the shards' {} bytes, found {:.0f}",
                      where, total_bytes, size);
  }
}

/// An id or a list of ids under "eos_token_id".
void add_eos_ids(const Json& config, const std::string& where, std::vector<int32_t>& ids) {
  const auto found = config.find("eos_token_id");
  if (found == config.end() || found->is_null()) {
    return;
  }
  const Json list = found->is_array() ? *found : Json::array({*found});
  for (const Json& id : list) {
    const bool fits = id.is_number_integer() && id.get<int64_t>() >= 0 &&
                      id.get<int64_t>() <= std::numeric_limits<int32_t>::max();
    check<ModelError>(fits, "{}: eos_token_id: expected a token id or a list of them, found {}",
                      where, json_excerpt(*found));
    if (std::find(ids.begin(), ids.end(), id.get<int32_t>()) == ids.end()) {
      ids.push_back(id.get<int32_t>());
    }
  }
}

/// Whole configurations that we must not compute as if they were ordinary ones.
void refuse_unsupported(const Json& config, const std::string& where) {
  const auto quantization = config.find("quantization_config");
  if (quantization != config.end() && !quantization->is_null()) {
    fail<ModelError>(
        "{}: quantization_config: the weights are quantised ({}), which cannot be read; use the "
        "full-precision checkpoint",
        where,
        quantization->is_object() && quantization->contains("quant_method")
            ? json_excerpt(quantization->at("quant_method"))
            : "method not named");
  }
  const auto bidirectional = config.find("use_bidirectional_attention");
  check<ModelError>(
      bidirectional == config.end() || bidirectional->is_null() || *bidirectional == Json(false),
      "{}: use_bidirectional_attention: {} is not supported", where,
      bidirectional == config.end() ? "" : json_excerpt(*bidirectional));
}

}  // namespace

std::optional<fs::path> model_file(const fs::path& directory, const std::string& name) {
  const fs::path file = directory / name;
  const fs::file_status status = fs::symlink_status(file);
  if (!fs::exists(status)) {
    return std::nullopt;
  }
  if (!fs::is_symlink(status)) {
    return file;
  }
  std::error_code error;
  const fs::path target = fs::canonical(file, error);
  check<ModelError>(!error, "{}: a link that leads nowhere", file.string());
  const fs::path folder = fs::canonical(directory);
  const std::optional<fs::path> blobs = blobs_of(folder);
  check<ModelError>(lies_in(target, folder) || (blobs && lies_in(target, *blobs)),
                    "{}: a link to {}, outside the model folder; copy the file or name the folder "
                    "that holds it",
                    file.string(), target.string());
  return target;
}

struct HfDirectory::Form {
  const char* single;
  const char* index;
  const char* ending;
  WeightsFile::Form form;
};

HfDirectory::HfDirectory(const fs::path& path, PickledWeights pickled) : path_(path) {
  check_directory(path);
  const std::string where = (path / "config.json").string();
  const std::optional<fs::path> config_file = model_file(path, "config.json");
  check<ModelError>(config_file.has_value(), "{}: no such file; is {} a model folder?", where,
                    path.string());
  config_ = parse_json<ModelError>(read_text<ModelError>(*config_file, JsonLimits{}.bytes), where);
  JsonReader<ModelError> reader(config_, where);
  reader.require("model_type", model_type_);
  refuse_unsupported(config_, where);
  if (const auto file = model_file(path, "generation_config.json")) {
    add_eos_ids(read_json<ModelError>(*file), file->string(), eos_token_ids_);
  }
  add_eos_ids(config_, where, eos_token_ids_);
  open_weights(pickled);
  find_aliases();
}

void HfDirectory::open_weights(PickledWeights pickled) {
  const Form safe{kSingleFile, kIndexFile, ".safetensors", WeightsFile::Form::kSafetensors};
  const Form torch{kPickledFile, kPickledIndexFile, ".bin", WeightsFile::Form::kPickled};
  const bool found =
      open_shards(safe) || (pickled == PickledWeights::kAllowed && open_shards(torch));
  if (!found) {
    fail_without_weights(path_);
  }
}

bool HfDirectory::open_shards(const Form& form) {
  if (const auto file = model_file(path_, form.single)) {
    add_shard(*file, form);
    return true;
  }
  const auto index_file = model_file(path_, form.index);
  if (!index_file) {
    return false;
  }
  const std::string where = (path_ / form.index).string();
  const Json index = parse_json<ModelError>(read_text<ModelError>(*index_file, kLargestIndex),
                                            where, {.bytes = kLargestIndex, .depth = 4});
  check<ModelError>(index.is_object() && index.contains("weight_map"), "{}: weight_map: missing",
                    where);
  const std::vector<std::string> names = shard_names(index.at("weight_map"), form.ending, where);
  for (const std::string& name : names) {
    const auto file = model_file(path_, name);
    check<ModelError>(file.has_value(), "{}: no such file, but {} names it",
                      (path_ / name).string(), form.index);
    add_shard(*file, form);
  }
  check_index(index.at("weight_map"), names, form);
  // torch counts tensors that share a storage once, so its sum is not the shards'.
  if (form.form == WeightsFile::Form::kSafetensors) {
    check_total_size(index, total_bytes(), where);
  }
  return true;
}

void HfDirectory::add_shard(const fs::path& file, const Form& form) {
  shards_.emplace_back(file, form.form);
  for (const auto& [name, info] : shards_.back().tensors()) {
    check<ModelError>(tensors_.emplace(name, info).second,
                      "{}: tensor \"{}\" is in another shard too", file.string(), name);
    shard_of_[name] = shards_.size() - 1;
  }
}

void HfDirectory::check_index(const Json& weight_map, const std::vector<std::string>& names,
                              const Form& form) const {
  const std::string where = (path_ / form.index).string();
  for (const auto& [tensor, shard] : weight_map.items()) {
    const auto found = shard_of_.find(tensor);
    check<ModelError>(found != shard_of_.end() && names[found->second] == shard,
                      "{}: weight_map: \"{}\" is not in {}", where, escaped(tensor),
                      shard.get<std::string>());
  }
  std::map<std::string, TensorInfo> unlisted = tensors_;
  for (const auto& [tensor, shard] : weight_map.items()) {
    unlisted.erase(tensor);
  }
  check<ModelError>(unlisted.empty(), "{}: weight_map: \"{}\" is missing, but {} holds it", where,
                    unlisted.empty() ? "" : unlisted.begin()->first,
                    unlisted.empty() ? "" : names[shard_of_.at(unlisted.begin()->first)]);
}

void HfDirectory::find_aliases() {
  for (const WeightsFile& shard : shards_) {
    for (const auto& [dropped, stored] : shard.metadata()) {
      if (tensors_.count(stored) > 0 && tensors_.count(dropped) == 0) {
        aliases_[dropped] = stored;
      }
    }
  }
}

const WeightsFile& HfDirectory::shard_with(const std::string& name) const {
  const auto found = shard_of_.find(name);
  check<ModelError>(found != shard_of_.end(), "{}: no tensor \"{}\"", path_.string(), name);
  return shards_[found->second];
}

void HfDirectory::read(const std::string& name, std::span<std::byte> destination) const {
  shard_with(name).read(name, destination);
}

void HfDirectory::read(const std::string& name, uint64_t offset,
                       std::span<std::byte> destination) const {
  shard_with(name).read(name, offset, destination);
}

int64_t HfDirectory::total_bytes() const {
  int64_t total = 0;
  for (const auto& [name, info] : tensors_) {
    total += static_cast<int64_t>(info.bytes);
  }
  return total;
}

int64_t HfDirectory::total_elements() const {
  int64_t total = 0;
  for (const auto& [name, info] : tensors_) {
    total += info.elements();
  }
  return total;
}

}  // namespace peft
