#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "peft/methods/adapter_io.h"
#include "peft/methods/low_rank.h"

namespace peft {

/// One module's update in a LoRA file. Of an embedding it is that of the transposed table: (D, V).
struct NamedUpdate {
  std::string path;  ///< "model.layers.0.self_attn.q_proj"
  bool is_embedding = false;
  LowRank update;
};

/// A LoRA file taken apart: what can be computed with, without any base.
struct LoraFile {
  Json config;                       ///< complete adapter_config.json of a LORA
  std::vector<NamedUpdate> updates;  ///< in the order of the model's modules
  NamedTensors others;               ///< biases, whole modules, token rows, under the file's names

  /// The update of a module, or null.
  const NamedUpdate* find(const std::string& path) const;
  /// The largest rank; 0 without updates.
  int64_t rank() const;
};

/// Takes a stored LoRA apart. Copies of frozen weights are left out. Throws ModelError for factors
/// that do not belong together.
LoraFile take_apart(const StoredAdapter& stored);

/// Puts updates into the order of the model's modules, as far as names tell it: layers by their
/// number, projections as the supported architectures have them.
void sort_by_module(std::vector<NamedUpdate>& updates);

/// Makes r, lora_alpha and the patterns of `config` say what the updates are, without rsLoRA.
/// `keeps_targets`: target_modules and its companions select just these modules already; else they
/// become the list of whole names.
void settle_config(LoraFile& lora, bool keeps_targets);

/// The same as a folder's content.
StoredAdapter put_together(const LoraFile& lora, const std::filesystem::path& path);

}  // namespace peft
