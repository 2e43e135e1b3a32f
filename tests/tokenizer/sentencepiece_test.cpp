#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "character_map.h"
#include "sentencepiece_model.h"
#include "tiny_tokenizer.h"

namespace peft {
namespace {

using Ids = std::vector<int32_t>;

std::string varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) {
    bytes += static_cast<char>(0x80 | (value & 0x7F));
  }
  return bytes + static_cast<char>(value);
}

std::string bytes_field(int field, const std::string& bytes) {
  return varint(static_cast<uint64_t>(field) << 3 | 2) + varint(bytes.size()) + bytes;
}

std::string integer_field(int field, uint64_t value) {
  return varint(static_cast<uint64_t>(field) << 3) + varint(value);
}

std::string float_field(int field, float value) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return varint(static_cast<uint64_t>(field) << 3 | 5) + bytes;
}

std::string piece(const std::string& text, float score, int type = 1) {
  return bytes_field(1, bytes_field(1, text) + float_field(2, score) +
                            integer_field(3, static_cast<uint64_t>(type)));
}

std::string control_pieces() {
  return piece("<unk>", 0, 2) + piece("<s>", 0, 3) + piece("</s>", 0, 3);
}

/// BPE, no trimming of spaces.
std::string specs(bool byte_fallback = false) {
  return bytes_field(2, integer_field(3, 2) + integer_field(35, byte_fallback ? 1 : 0)) +
         bytes_field(3, integer_field(4, 0));
}

std::string tiny_model() {
  return control_pieces() + piece("▁", -3) + piece("a", -4) + piece("b", -5) + piece("▁a", -1) +
         piece("ab", -2) + specs();
}

std::string error_of(const std::string& bytes) {
  return error_text([&] { read_sentencepiece_model(bytes, "m"); });
}

TEST(SentencePiece, ReadsAModel) {
  const SentencePieceModel model = read_sentencepiece_model(tiny_model(), "m");
  ASSERT_EQ(model.pieces.size(), 8u);
  EXPECT_EQ(model.pieces[6].text, "▁a");
  EXPECT_EQ(model.pieces[6].score, -1.0F);
  EXPECT_EQ(model.pieces[1].type, PieceType::kControl);
  EXPECT_EQ(model.model_type, 2);
  EXPECT_FALSE(model.remove_extra_whitespaces);
}

TEST(SentencePiece, EncodesWithBosAndFindsSpecialTokens) {
  TokenizerFolder folder;
  folder.put("tokenizer.model", tiny_model());
  const auto tokenizer = folder.load();
  const Encoding encoding = tokenizer->encode("ab</s>a", /*add_special_tokens=*/true);
  EXPECT_EQ(encoding.ids, (Ids{1, 6, 5, 2, 6}));
  EXPECT_EQ(encoding.offsets,
            (std::vector<std::pair<int64_t, int64_t>>{{0, 0}, {0, 1}, {1, 2}, {2, 6}, {6, 7}}));
  EXPECT_EQ(tokenizer->encode("a", /*add_special_tokens=*/false).ids, Ids{6});
  EXPECT_EQ(tokenizer->decode(encoding.ids, /*skip_special_tokens=*/true), "ab a");
  EXPECT_EQ(tokenizer->special().bos, 1);
  EXPECT_EQ(tokenizer->special().eos_text, "</s>");
}

TEST(SentencePiece, FollowsTheConfig) {
  TokenizerFolder folder;
  folder.put("tokenizer.model", tiny_model());
  folder.put("tokenizer_config.json",
             R"({"add_bos_token": false, "add_eos_token": true, "legacy": false})");
  EXPECT_EQ(folder.load()->encode("ab</s>a", /*add_special_tokens=*/true).ids,
            (Ids{6, 5, 2, 4, 2}));
}

TEST(SentencePiece, RefusesBrokenWireFormat) {
  EXPECT_EQ(error_of(""), "m: not a sentencepiece model: it has no pieces");
  EXPECT_EQ(error_of("\x0A\x7F"), "m: byte 2: a field of 127 bytes has only 0 left");
  EXPECT_EQ(error_of("\x0A"), "m: byte 1: an integer does not end");
  EXPECT_EQ(error_of(std::string(11, '\xFF')), "m: byte 0: an integer does not end");
  EXPECT_EQ(error_of("\x0B"), "m: byte 1: field 1 has wire type 3, expected 2");
  EXPECT_EQ(error_of(std::string("\x3B", 1)), "m: byte 1: field 7 has the unknown wire type 3");
  EXPECT_EQ(error_of(std::string("\x02\x00", 2)), "m: byte 0: no field has number 0");
  EXPECT_EQ(error_of(std::string("\x0A\x02\x0D\x00", 4)),
            "m: byte 3: field 1 has wire type 5, expected 2");
}

TEST(SentencePiece, CutAnywhereEndsInOneLine) {
  const std::string whole = tiny_model();
  for (size_t size = 0; size < whole.size(); ++size) {
    TokenizerFolder folder;
    folder.put("tokenizer.model", whole.substr(0, size));
    const std::string error = folder.error();
    EXPECT_TRUE(error.empty() || error.starts_with("tokenizer.model: ")) << error;
    EXPECT_EQ(error.find('\n'), std::string::npos);
  }
}

TEST(SentencePiece, RefusesBadPieces) {
  const std::string rest = control_pieces() + specs();
  EXPECT_EQ(error_of(piece("", 0) + rest), "m: piece 0: expected 1 to 4096 bytes, found 0");
  EXPECT_EQ(error_of(piece(std::string(5000, 'a'), 0) + rest),
            "m: piece 0: expected 1 to 4096 bytes, found 5000");
  EXPECT_EQ(error_of(piece("\xFF", 0) + rest), "m: piece 0: \"\\xff\" is not UTF-8 text");
  EXPECT_EQ(error_of(piece("a", std::nanf("")) + rest), "m: piece 0: the score is nan");
  EXPECT_EQ(error_of(piece("a", std::numeric_limits<float>::infinity()) + rest),
            "m: piece 0: the score is inf");
  EXPECT_EQ(error_of(piece("a", 0, 99) + rest), "m: piece 0: unknown type 99");
  EXPECT_EQ(error_of(piece("a", 0) + piece("a", 1) + rest), "m: piece 1: \"a\" appears twice");
  EXPECT_EQ(error_of(piece("a", 0) + specs()), "m: expected one unknown piece, found 0");
  EXPECT_EQ(error_of(piece("a", 0, 2) + rest), "m: expected one unknown piece, found 2");
}

TEST(SentencePiece, RefusesBadBytePieces) {
  EXPECT_EQ(error_of(control_pieces() + piece("<0x00>", 0, 6) + specs()),
            "m: piece 3 is a byte, but byte_fallback is off");
  EXPECT_EQ(error_of(control_pieces() + piece("<0x0g>", 0, 6) + specs(/*byte_fallback=*/true)),
            "m: piece 3: \"<0x0g>\" is not a byte");
  EXPECT_EQ(error_of(control_pieces() + piece("<0x00>", 0, 6) + specs(/*byte_fallback=*/true)),
            "m: byte_fallback needs 256 byte pieces, 255 are missing");
}

TEST(SentencePiece, RefusesBadIdsAndModelTypes) {
  const auto with = [](const std::string& trainer) {
    return control_pieces() + bytes_field(2, trainer);
  };
  EXPECT_EQ(error_of(with(integer_field(41, 3))), "m: bos_id 3 is not among the 3 pieces");
  EXPECT_EQ(error_of(with(integer_field(3, 4))),
            "m: model_type 4 is not supported (1 unigram and 2 BPE are)");
  EXPECT_EQ(error_of(with(integer_field(24, 1))),
            "m: unescaped white space and white space as suffix are not supported");
}

std::string word(uint32_t value) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

/// A character map whose trie has the given root and otherwise empty nodes.
std::string map_with_root(uint32_t root, size_t units, const std::string& texts) {
  std::string trie = word(root);
  for (size_t i = 1; i < units; ++i) {
    trie += word(0x100);  // a label that only byte 0 has, with a leaf
  }
  return word(static_cast<uint32_t>(trie.size())) + trie + texts;
}

std::string map_error(const std::string& map) {
  return error_text([&] { check_character_map(map, "m"); });
}

TEST(SentencePiece, RefusesACharacterMapThatPointsOutside) {
  const std::string text("x\0", 2);
  EXPECT_EQ(map_error("abc"), "m: 3 bytes are no character map");
  EXPECT_EQ(map_error(word(400) + text),
            "m: a trie of 400 bytes does not fit a character map of 6");
  EXPECT_EQ(map_error(word(3) + word(0) + text),
            "m: a trie of 3 bytes does not fit a character map of 10");
  EXPECT_EQ(map_error(map_with_root(0, 256, "x")), "m: the texts of the character map have no end");
  EXPECT_EQ(map_error(map_with_root(5000U << 10, 256, text)),
            "m: node 0 of the character map points outside its trie");
  EXPECT_EQ(map_error(map_with_root((1U << 10) | 0x100, 256, text)),
            "m: a leaf of the character map points at byte 256 of 2");
  EXPECT_EQ(map_error(map_with_root(1U << 8, 16, text)),
            "m: node 0 of the character map points outside its trie");
}

TEST(SentencePiece, TakesAMillionEqualLetters) {
  TokenizerFolder folder;
  folder.put("tokenizer.model", tiny_model());
  const Encoding encoding =
      folder.load()->encode(std::string(1'000'000, 'a'), /*add_special_tokens=*/false);
  EXPECT_EQ(encoding.ids.size(), 1'000'000u);
}

}  // namespace
}  // namespace peft
