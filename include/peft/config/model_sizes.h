#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "peft/config/place.h"
#include "peft/io/hf_directory.h"

namespace peft {

/// A projection as the files' headers show it.
struct PlannedLinear {
  std::string path;  ///< "model.layers.0.self_attn.q_proj"
  Place place = Place::kQuery;
  int64_t layer = 0;
  int64_t in = 0;
  int64_t out = 0;
  bool has_bias = false;
};

/// What a model folder says about sizes, from config.json and the headers of its weights alone.
struct ModelSizes {
  std::string model_type;
  int64_t hidden = 0;
  int64_t embedding_width = 0;  ///< of embeddings and head
  int64_t vocabulary = 0;
  int64_t layers = 0;
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t expert_width = 0;                 ///< of all experts that one token meets together
  int64_t positions = 0;                    ///< 0: config.json does not say
  bool layer_norms = false;                 ///< LayerNorm instead of RMSNorm
  bool head_norms = false;                  ///< norms on the heads of query and key
  bool branch_norms = false;                ///< norms behind the branches too
  std::vector<PlannedLinear> linears;       ///< of the blocks, in the files' order by layer
  int64_t parameters = 0;                   ///< a tied head is counted once
  int64_t classes = 0;                      ///< of a classification head; 0: a language model
  int64_t class_head = 0;                   ///< elements of that head
  std::map<std::string, int64_t> elements;  ///< of every other tensor, by its full name
  std::map<Dtype, int64_t> stored;          ///< parameters by the files' dtype

  /// Width of a block's projection, the same in every layer; 0 without one.
  int64_t width(Place place) const;
  /// Widths of one layer's queries and of its keys, fused or not.
  int64_t query_width() const;
  int64_t key_width() const;
  /// Width of the MLP's activations, and whether a gate doubles them.
  int64_t mlp_width() const;
  bool is_gated() const;
};

/// Reads the headers. Throws ModelError for a folder whose layers it cannot make out.
ModelSizes model_sizes(const HfDirectory& directory);

/// The dtype that `model.dtype` means: "auto" is the files' own on a GPU; on a CPU bfloat16 only
/// where it has instructions for it, else float32.
Dtype computing_dtype(const std::string& choice, const HfDirectory& directory, bool on_gpu);

}  // namespace peft
