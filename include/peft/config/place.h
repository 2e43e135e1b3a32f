#pragma once

namespace peft {

/// Where a projection stands in its block: what it does, whether a method may ride on it, and what
/// the backward needs of it.
enum class Place {
  kQuery,
  kKey,
  kValue,
  kQueryKeyValue,
  kAttentionOut,
  kMlpGate,
  kMlpUp,
  kMlpGateUp,
  kMlpDown,
  kOther,   ///< between the embeddings' width and the blocks'
  kExpert,  ///< a router or a part of an expert: never a target
  kHead
};

}  // namespace peft
