#pragma once

#include <filesystem>
#include <optional>

#include "peft/data/dataset.h"

namespace peft {

/// What LLaMA-Factory's dataset_info.json says of a data set: its file, how its columns and roles
/// are called, and how many rows count.
struct RegisteredDataset {
  std::filesystem::path file;
  Json columns = Json::object();  ///< as in data.columns
  std::optional<int64_t> limit = std::nullopt;
};

/// `path` as "folder/name" of a folder whose dataset_info.json has that name. Nothing when there is
/// no such entry. Throws DataError for an entry that names no file here, or preference rows.
std::optional<RegisteredDataset> find_registered(const std::filesystem::path& path);

}  // namespace peft
