#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "peft/io/hf_directory.h"
#include "peft/models/causal_lm.h"

namespace peft {

/// The dtype that "auto" means on a device: the files' own on a GPU; on a CPU bfloat16 only where
/// it has instructions for it, else float32. "float32", "bfloat16" and "float16" mean themselves.
at::ScalarType compute_dtype(const std::string& choice, const HfDirectory& directory,
                             at::Device device);

/// Builds the model of a folder and reads every tensor once, straight into its final place. The
/// model is frozen; a new head (HfDirectory::give_new_head) is zero. Throws ModelError: unknown
/// architecture, tensors missing, left over or of another shape (all of one load together).
std::unique_ptr<CausalLM> load_model(const HfDirectory& directory, at::ScalarType dtype,
                                     at::Device device);

/// The model's parameters and the folder's tensors that hold them, in the model's order. A head
/// that is the token embedding is not listed.
using StoredNames = std::vector<std::pair<std::string, std::string>>;

/// A model whose tensors were not read.
struct UnreadModel {
  std::unique_ptr<CausalLM> model;
  StoredNames names;
};

/// The first half of `load_model`: memory is reserved and untouched, so that a model larger than
/// the machine's can be had. Names and shapes of the folder are checked all the same.
UnreadModel build_model(const HfDirectory& directory, at::ScalarType dtype, at::Device device);

}  // namespace peft
