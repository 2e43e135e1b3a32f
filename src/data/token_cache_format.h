#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace peft {

inline constexpr std::string_view kTokenCacheMagic = "PEFTTOK1";
/// Bytes that are written, or read for the check, at once.
inline constexpr size_t kTokenCachePiece = size_t{1} << 20;

/// One example in the index.
struct TokenCacheEntry {
  uint64_t begin;   // of its ids in the file, in bytes; its labels follow, then its weights
  uint64_t length;  // tokens
  int64_t line;
  int64_t prompt_length;
  int64_t answer_end;
  int32_t file;
  int32_t label;
  float score;
  int32_t has_weights;  // 0 or 1
  int64_t second_type;
};
static_assert(sizeof(TokenCacheEntry) == 64);

/// The end of the file.
struct TokenCacheFooter {
  char magic[8];
  uint64_t examples;
  uint64_t index_begin;   // in bytes
  uint64_t report_begin;  // in bytes, up to the footer
  char sha256[64];        // of everything before the footer
};
static_assert(sizeof(TokenCacheFooter) == 96);

}  // namespace peft
