#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace peft {

/// The kinds of pieces in a sentencepiece model, by their numbers in the file.
enum class PieceType {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6
};

struct SentencePiece {
  std::string text;
  float score = 0.0F;
  PieceType type = PieceType::kNormal;
};

/// What we need to know of a sentencepiece model (a protocol buffer). Ids are places in `pieces`.
struct SentencePieceModel {
  std::vector<SentencePiece> pieces;
  int64_t model_type = 1;  ///< 1 unigram, 2 BPE
  bool byte_fallback = false;
  bool whitespace_as_suffix = false;
  int64_t unk_id = 0, bos_id = 1, eos_id = 2, pad_id = -1;  ///< -1: there is none
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
  bool escape_whitespaces = true;
  std::string character_map;  ///< the compiled normaliser; empty for none
};

/// Reads and checks a tokenizer.model before the library does, which trusts its files: the wire
/// format, every piece and every offset of the compiled normaliser. Throws ModelError with `where`.
SentencePieceModel read_sentencepiece_model(std::string_view bytes, const std::string& where);

}  // namespace peft
