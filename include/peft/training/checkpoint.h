#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "peft/io/checkpoint_folder.h"
#include "peft/methods/adapter.h"
#include "peft/training/optimizer.h"
#include "peft/training/train_state.h"

namespace peft {

/// What a run is: two runs that agree in it compute the same numbers.
struct RunIdentity {
  std::string tool;  ///< "peft 0.1.0"
  std::string base;  ///< model.name_or_path, for adapter_config.json
  Json hashes;       ///< of base, tokenizer, chat_template and data
  Json config;       ///< the keys that can change a number
};

/// The part of a resolved config that can change a number: without paths (hashes tell what is
/// there), logging and saving.
Json effective_config(const Json& config);

/// Dotted names of what differs between two identities: "training.seed", "data". A name in
/// `allowed`, its leaf or its section is left out; num_train_epochs and max_steps count as one.
std::vector<std::string> changed_fields(const Json& before, const Json& now,
                                        const std::vector<std::string>& allowed);

/// Throws UsageError when the checkpoint belongs to another run, with every field that differs.
void check_identity(const Manifest& manifest, const RunIdentity& identity,
                    const std::vector<std::string>& allowed, const std::filesystem::path& folder);

/// Writes <run>/checkpoint-N/, whole or not at all: trainable.safetensors (with the method's
/// state), optimizer.safetensors, trainer_state.json, adapter/ (as PEFT reads it), MANIFEST.json.
/// Throws IoError, or NumericError when the adapter is not finite.
void write_checkpoint(const std::filesystem::path& run, const TrainState& state,
                      const Adapter& adapter, const Optimizer& optimizer,
                      const RunIdentity& identity);

/// Puts a checkpoint's tensors back and returns its state. Throws IntegrityError or ModelError.
TrainState restore_checkpoint(const std::filesystem::path& folder, Adapter& adapter,
                              Optimizer& optimizer);

/// The newest checkpoint that verifies, not after step `latest`; says why others were passed over.
std::optional<CheckpointFolder> newest_checkpoint(const std::filesystem::path& run,
                                                  std::optional<int64_t> latest = std::nullopt);

/// trainer_state.json of a checkpoint.
TrainState read_state(const std::filesystem::path& folder);

}  // namespace peft
