#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "peft/util/json.h"

namespace peft {

/// MANIFEST.json of a checkpoint: what the folder holds and what it belongs to.
struct Manifest {
  struct File {
    uint64_t bytes = 0;
    std::string sha256;
  };
  int64_t step = 0;                        ///< optimizer steps done
  std::string tool;                        ///< "peft 0.1.0"
  Json identity = Json::object();          ///< hashes of base, tokenizer, chat_template and data
  Json config = Json::object();            ///< keys of the run that can change a number
  std::map<std::string, File> files = {};  ///< by path inside the folder
};

/// Hashes every file below `folder` and writes MANIFEST.json, which makes the folder a checkpoint.
void write_manifest(const std::filesystem::path& folder, Manifest manifest);

/// Reads MANIFEST.json and checks the folder against it: every file there, none beside them, sizes
/// and hashes equal, the step that of the folder's name. Throws IntegrityError for the first fault.
Manifest verify_checkpoint(const std::filesystem::path& folder);

/// A folder named checkpoint-N.
struct CheckpointFolder {
  int64_t step = 0;
  std::filesystem::path path;
};

/// "<run>/checkpoint-120".
std::filesystem::path checkpoint_path(const std::filesystem::path& run, int64_t step);

/// The step that a folder's name tells, if it is a checkpoint's. Temporary names are none.
std::optional<int64_t> checkpoint_step(const std::filesystem::path& folder);

/// The checkpoints of a run by their names, newest first; none is opened.
std::vector<CheckpointFolder> list_checkpoints(const std::filesystem::path& run);

}  // namespace peft
