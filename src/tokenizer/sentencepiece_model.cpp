#include "sentencepiece_model.h"

#include <array>
#include <cmath>
#include <unordered_set>

#include "character_map.h"
#include "peft/util/error.h"
#include "peft/util/text.h"
#include "vocabulary.h"
#include "wire_reader.h"

namespace peft {
namespace {

constexpr size_t kLongestPiece = 4096;

SentencePiece read_piece(WireReader reader, size_t id, const std::string& where) {
  SentencePiece piece;
  uint64_t type = static_cast<uint64_t>(PieceType::kNormal);
  while (reader.next()) {
    if (reader.field() == 1) {
      piece.text = reader.bytes();
    } else if (reader.field() == 2) {
      piece.score = reader.number();
    } else if (reader.field() == 3) {
      type = reader.integer();
    }
  }
  if (piece.text.empty() || piece.text.size() > kLongestPiece) {
    fail<ModelError>("{}: piece {}: expected 1 to {} bytes, found {}", where, id, kLongestPiece,
                     piece.text.size());
  }
  if (!is_utf8(piece.text) || piece.text.find('\0') != std::string::npos) {
    fail<ModelError>("{}: piece {}: \"{}\" is not UTF-8 text", where, id, escaped(piece.text));
  }
  check<ModelError>(std::isfinite(piece.score), "{}: piece {}: the score is {}", where, id,
                    piece.score);
  check<ModelError>(type >= 1 && type <= 6, "{}: piece {}: unknown type {}", where, id, type);
  piece.type = static_cast<PieceType>(type);
  return piece;
}

int64_t read_id(WireReader& reader) {
  return static_cast<int32_t>(reader.integer());
}

void read_trainer(WireReader reader, SentencePieceModel& model) {
  while (reader.next()) {
    switch (reader.field()) {
      case 3:
        model.model_type = static_cast<int64_t>(reader.integer());
        break;
      case 24:
        model.whitespace_as_suffix = reader.boolean();
        break;
      case 35:
        model.byte_fallback = reader.boolean();
        break;
      case 40:
        model.unk_id = read_id(reader);
        break;
      case 41:
        model.bos_id = read_id(reader);
        break;
      case 42:
        model.eos_id = read_id(reader);
        break;
      case 43:
        model.pad_id = read_id(reader);
        break;
      default:
        break;
    }
  }
}

void read_normalizer_spec(WireReader reader, SentencePieceModel& model) {
  while (reader.next()) {
    switch (reader.field()) {
      case 2:
        model.character_map = reader.bytes();
        break;
      case 3:
        model.add_dummy_prefix = reader.boolean();
        break;
      case 4:
        model.remove_extra_whitespaces = reader.boolean();
        break;
      case 5:
        model.escape_whitespaces = reader.boolean();
        break;
      default:
        break;
    }
  }
}

void check_byte_pieces(const SentencePieceModel& model, const std::string& where) {
  std::unordered_set<std::string> bytes;
  for (unsigned byte = 0; byte < 256; ++byte) {
    bytes.insert(fmt::format("<0x{:02X}>", byte));
  }
  for (size_t i = 0; i < model.pieces.size(); ++i) {
    const SentencePiece& piece = model.pieces[i];
    if (piece.type == PieceType::kByte) {
      check<ModelError>(model.byte_fallback, "{}: piece {} is a byte, but byte_fallback is off",
                        where, i);
      check<ModelError>(bytes.erase(piece.text) == 1, "{}: piece {}: \"{}\" is not a byte", where,
                        i, escaped(piece.text));
    }
  }
  check<ModelError>(!model.byte_fallback || bytes.empty(),
                    "{}: byte_fallback needs 256 byte pieces, {} are missing", where, bytes.size());
}

void check_pieces(const SentencePieceModel& model, const std::string& where) {
  check<ModelError>(!model.pieces.empty(), "{}: not a sentencepiece model: it has no pieces",
                    where);
  std::unordered_set<std::string_view> seen;
  size_t unknown = 0;
  for (size_t i = 0; i < model.pieces.size(); ++i) {
    const SentencePiece& piece = model.pieces[i];
    if (!seen.insert(piece.text).second) {
      fail<ModelError>("{}: piece {}: \"{}\" appears twice", where, i, escaped(piece.text));
    }
    unknown += piece.type == PieceType::kUnknown;
  }
  check<ModelError>(unknown == 1, "{}: expected one unknown piece, found {}", where, unknown);
  check_byte_pieces(model, where);
}

void check_ids(const SentencePieceModel& model, const std::string& where) {
  const auto count = static_cast<int64_t>(model.pieces.size());
  for (const auto& [name, id] : {std::pair("unk_id", model.unk_id),
                                 {"bos_id", model.bos_id},
                                 {"eos_id", model.eos_id},
                                 {"pad_id", model.pad_id}}) {
    check<ModelError>(id >= -1 && id < count, "{}: {} {} is not among the {} pieces", where, name,
                      id, count);
  }
}

}  // namespace

SentencePieceModel read_sentencepiece_model(std::string_view bytes, const std::string& where) {
  SentencePieceModel model;
  WireReader reader(bytes, where);
  while (reader.next()) {
    if (reader.field() == 1) {
      check<ModelError>(static_cast<int64_t>(model.pieces.size()) < kLargestVocabulary,
                        "{}: more than {} pieces", where, kLargestVocabulary);
      model.pieces.push_back(read_piece(reader.message(), model.pieces.size(), where));
    } else if (reader.field() == 2) {
      read_trainer(reader.message(), model);
    } else if (reader.field() == 3) {
      read_normalizer_spec(reader.message(), model);
    } else if (reader.field() == 5) {
      SentencePieceModel reverse;  // the normaliser of decoding; checked, not used
      read_normalizer_spec(reader.message(), reverse);
      check_character_map(reverse.character_map, where);
    }
  }
  check_pieces(model, where);
  check_ids(model, where);
  check<ModelError>(model.model_type == 1 || model.model_type == 2,
                    "{}: model_type {} is not supported (1 unigram and 2 BPE are)", where,
                    model.model_type);
  check<ModelError>(!model.whitespace_as_suffix && model.escape_whitespaces,
                    "{}: unescaped white space and white space as suffix are not supported", where);
  check_character_map(model.character_map, where);
  return model;
}

}  // namespace peft
