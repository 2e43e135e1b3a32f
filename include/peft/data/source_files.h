#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "peft/data/dataset.h"

namespace peft {

/// The files of one part of a mixture, in the order of their names.
struct SourceFiles {
  std::vector<std::filesystem::path> files;
  double weight = 1.0;
  int64_t limit = 0;              ///< rows over all of them
  bool held_out = false;          ///< DataSource::held_out
  Json columns = Json::object();  ///< of a registered data set; data.columns wins
};

/// Finds what the sources name. A folder stands for its data files (.jsonl, .ndjson, .json, .csv,
/// .tsv, .txt, .parquet); where their names say train, valid or test, for those of the split. A
/// pattern stands for the files that it fits, and "folder/name" for the entry of that name in the
/// folder's dataset_info.json (LLaMA-Factory). Throws DataError where there are none and UsageError
/// for a weight or limit out of range.
std::vector<SourceFiles> source_files(const std::vector<DataSource>& sources);

}  // namespace peft
