#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "peft/io/gguf.h"
#include "peft/util/json.h"

namespace peft {

/// What llama.cpp's converter did to a tensor, and the import undoes.
enum class GgufChange {
  kNone,
  /// q and k of llama: the two halves of each head are interleaved row by row.
  kInterleaved,
  /// gpt_neox: all rows of q, then of k, then of v; Hugging Face groups them by head.
  kGroupedByPart,
  kTransposed,  ///< GPT-2's Conv1D weights
  kPlusOne      ///< norms of Gemma, which Hugging Face stores around zero
};

/// Where a Hugging Face tensor comes from.
struct GgufSource {
  std::string gguf_name;
  std::vector<int64_t> shape;  ///< Hugging Face's
  GgufChange change = GgufChange::kNone;
  int64_t heads = 0;    ///< of the rows, for kInterleaved and kGroupedByPart
  int64_t experts = 0;  ///< of the GGUF tensor, which stacks them; 0: it is no stack
  int64_t expert = 0;   ///< which of them this is

  /// Shape of the GGUF tensor.
  std::vector<int64_t> gguf_shape() const;
};

/// A GGUF file as a Hugging Face folder holds it.
struct GgufModel {
  Json config = {};  ///< config.json without dtype and token ids, as transformers 4 and 5 read it
  int64_t vocabulary = 0;
  int64_t positions = 0;
  std::map<std::string, GgufSource> weights = {};  ///< by Hugging Face's names
  std::vector<std::string> settings = {};          ///< tensors whose values went into the config
};

/// Reads what the file says about its model. Throws ModelError for an architecture we do not know,
/// for a key that is missing or out of range, and for variants of an architecture that its Hugging
/// Face class does not compute.
GgufModel read_gguf_model(const GgufFile& file);

/// Names of the architectures that can be imported, for messages.
std::string gguf_architecture_names();

}  // namespace peft
