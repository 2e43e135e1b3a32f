#include <gtest/gtest.h>

#include "tiny_tokenizer.h"

namespace peft {
namespace {

using Ids = std::vector<int32_t>;
using Offsets = std::vector<std::pair<int64_t, int64_t>>;

Ids ids_of(const Json& json, std::string_view text) {
  return TokenizerFolder(json).load()->encode(text, /*add_special_tokens=*/true).ids;
}

TEST(TokenizerJson, MergesTheLowestRankFirst) {
  EXPECT_EQ(ids_of(tiny_byte_level(), "a the"), (Ids{'a', 258}));
  EXPECT_EQ(ids_of(tiny_byte_level(), "aaaaaaa"), (Ids{260, 259, 'a'}));
}

TEST(TokenizerJson, ReadsMergesAsPairs) {
  Json json = tiny_byte_level();
  json["model"]["merges"] = Json::parse(R"([["h", "e"], ["Ġ", "t"], ["Ġt", "he"]])");
  EXPECT_EQ(ids_of(json, "a the"), (Ids{'a', 258}));
}

TEST(TokenizerJson, TakesWholeWordsWithIgnoreMerges) {
  Json json = tiny_byte_level();
  json["model"]["merges"] = Json::array();
  json["model"]["ignore_merges"] = true;
  EXPECT_EQ(ids_of(json, "a the"), (Ids{'a', 258}));
}

TEST(TokenizerJson, CountsOffsetsInCodePoints) {
  const auto tokenizer = TokenizerFolder(tiny_byte_level()).load();
  const Encoding encoding = tokenizer->encode("é😀 the", /*add_special_tokens=*/true);
  EXPECT_EQ(encoding.offsets, (Offsets{{0, 1}, {0, 1}, {1, 2}, {1, 2}, {1, 2}, {1, 2}, {2, 6}}));
}

TEST(TokenizerJson, FindsTheLongestAddedToken) {
  Json json = tiny_byte_level();
  json["added_tokens"] = {added_token(261, "<|im"), added_token(262, "<|im_end|>")};
  EXPECT_EQ(ids_of(json, "<|im_end|><|im"), (Ids{262, 261}));
  EXPECT_EQ(ids_of(json, "<|i"), (Ids{'<', '|', 'i'}));
}

TEST(TokenizerJson, LetsAddedTokensTakeTheSpaceAround) {
  Json json = tiny_byte_level();
  json["added_tokens"] = {added_token(261, "<mask>")};
  json["added_tokens"][0]["lstrip"] = true;
  json["added_tokens"][0]["rstrip"] = true;
  const auto tokenizer = TokenizerFolder(json).load();
  const Encoding encoding = tokenizer->encode("a  <mask> b", /*add_special_tokens=*/true);
  EXPECT_EQ(encoding.ids, (Ids{'a', 261, 'b'}));
  EXPECT_EQ(encoding.offsets, (Offsets{{0, 1}, {1, 10}, {10, 11}}));
}

TEST(TokenizerJson, LeavesASingleWordInsideAnother) {
  Json json = tiny_byte_level();
  json["added_tokens"] = {added_token(261, "bc")};
  json["added_tokens"][0]["single_word"] = true;
  EXPECT_EQ(ids_of(json, "bc abc bc."), (Ids{261, 32, 'a', 'b', 'c', 32, 261, '.'}));
}

TEST(TokenizerJson, SkipsSpecialTokensWhenAsked) {
  Json json = tiny_byte_level();
  json["added_tokens"] = {added_token(261, "<s>"), added_token(262, "<note>", /*special=*/false)};
  const auto tokenizer = TokenizerFolder(json).load();
  const Ids ids{261, 'a', 262};
  EXPECT_EQ(tokenizer->decode(ids, /*skip_special_tokens=*/false), "<s>a<note>");
  EXPECT_EQ(tokenizer->decode(ids, /*skip_special_tokens=*/true), "a<note>");
  EXPECT_TRUE(tokenizer->is_special(261));
  EXPECT_FALSE(tokenizer->is_special(262));
}

TEST(TokenizerJson, DecodesBytesThatFormNoCharacterToReplacements) {
  const auto tokenizer = TokenizerFolder(tiny_byte_level()).load();
  const Ids ids{'a', 0xE2, 0x82, 'b', 0xFF, 0xFE, 0xF0, 0x9F, 0x98, 0xC3, 0xA9};
  EXPECT_EQ(tokenizer->decode(ids, /*skip_special_tokens=*/false), "a\uFFFDb\uFFFD\uFFFD\uFFFDé");
}

TEST(TokenizerJson, NamesItsTokens) {
  Json json = tiny_byte_level();
  json["added_tokens"] = {added_token(300, "<s>")};
  const auto tokenizer = TokenizerFolder(json).load();
  EXPECT_EQ(tokenizer->token(258), "Ġthe");
  EXPECT_EQ(tokenizer->token(300), "<s>");
  EXPECT_EQ(tokenizer->id("Ġthe"), 258);
  EXPECT_EQ(tokenizer->id("<s>"), 300);
  EXPECT_EQ(tokenizer->id("the"), std::nullopt);
  EXPECT_EQ(tokenizer->vocabulary_size(), 301);
  EXPECT_EQ(error_text([&] { tokenizer->token(299); }),
            "the tokenizer has no token with the id 299");
}

TEST(TokenizerJson, RefusesTextThatIsNotUtf8) {
  const auto tokenizer = TokenizerFolder(tiny_byte_level()).load();
  EXPECT_EQ(error_text([&] { tokenizer->encode("a\xFF", /*add_special_tokens=*/true); }),
            "a text to tokenize is not valid UTF-8");
}

TEST(TokenizerJson, TakesAMillionEqualLetters) {
  const auto tokenizer = TokenizerFolder(tiny_byte_level()).load();
  for (const char letter : {'a', 'b', ' ', '\n', '7', '!'}) {
    const std::string text(1'000'000, letter);
    const Encoding encoding = tokenizer->encode(text, /*add_special_tokens=*/true);
    EXPECT_EQ(encoding.ids.size(), letter == 'a' ? 250'000u : 1'000'000u);
    EXPECT_EQ(encoding.offsets.back().second, 1'000'000);
  }
}

TEST(TokenizerJson, MergesLongWordsAsShortOnes) {
  Json json = tiny_byte_level();
  json["pre_tokenizer"]["use_regex"] = false;
  const auto tokenizer = TokenizerFolder(json).load();
  const std::string part = " the aaaaaaa he t";  // of which 100 make one word
  const Ids expected = tokenizer->encode(part, /*add_special_tokens=*/false).ids;
  std::string text;
  for (int i = 0; i < 100; ++i) {
    text += part;
  }
  const Ids ids = tokenizer->encode(text, /*add_special_tokens=*/false).ids;
  ASSERT_EQ(ids.size(), 100 * expected.size());
  for (size_t i = 0; i < ids.size(); ++i) {
    EXPECT_EQ(ids[i], expected[i % expected.size()]);
  }
}

TEST(TokenizerJson, RefusesMergesOfUnknownTokens) {
  Json json = tiny_byte_level();
  json["model"]["merges"] = {"h e", "Q x"};
  EXPECT_EQ(TokenizerFolder(json).error(),
            "tokenizer.json: model.merges[1]: \"Qx\" is not in the vocabulary");
  json["model"]["merges"] = {"h e", "xyz a"};
  EXPECT_EQ(TokenizerFolder(json).error(),
            "tokenizer.json: model.merges[1]: \"xyz\" is not in the vocabulary");
  json["model"]["merges"] = {"a b c"};
  EXPECT_EQ(TokenizerFolder(json).error(),
            "tokenizer.json: model.merges[0]: expected two tokens, found \"a b c\"");
  json["model"]["merges"] = Json::parse("[[1, 2]]");
  EXPECT_EQ(TokenizerFolder(json).error(),
            "tokenizer.json: model.merges[0]: expected two tokens, found [1,2]");
}

TEST(TokenizerJson, RefusesABadVocabulary) {
  Json json = tiny_byte_level();
  json["model"]["vocab"]["x y"] = 5;
  EXPECT_EQ(TokenizerFolder(json).error(),
            "tokenizer.json: model.vocab: \"ą\" and \"x y\" share the id 5");
  json["model"]["vocab"]["x y"] = -1;
  EXPECT_EQ(TokenizerFolder(json).error(),
            "tokenizer.json: model.vocab: the id -1 of \"x y\" is not between 0 and 4194303");
  json["model"]["vocab"]["x y"] = 5'000'000'000;
  EXPECT_EQ(
      TokenizerFolder(json).error(),
      "tokenizer.json: model.vocab: the id 5000000000 of \"x y\" is not between 0 and 4194303");
  json["model"]["vocab"]["x y"] = "5";
  EXPECT_EQ(TokenizerFolder(json).error(),
            "tokenizer.json: model.vocab: \"x y\": expected an id, found \"5\"");
  json = tiny_byte_level();
  json["model"]["vocab"].erase("q");
  EXPECT_EQ(TokenizerFolder(json).error(),
            "tokenizer.json: model.vocab: the token \"q\" of byte 113 is missing");
}

TEST(TokenizerJson, RefusesBadAddedTokens) {
  Json json = tiny_byte_level();
  json["added_tokens"] = {added_token(7, "<s>")};
  EXPECT_EQ(TokenizerFolder(json).error(),
            "tokenizer.json: added_tokens: the id 7 of \"<s>\" is that of \"ć\" in the "
            "vocabulary");
  json["added_tokens"] = {added_token(261, "he")};
  EXPECT_EQ(TokenizerFolder(json).error(),
            "tokenizer.json: added_tokens: \"he\" has the id 261, but 256 in the vocabulary");
  json["added_tokens"] = {added_token(261, "<s>"), added_token(262, "<s>")};
  EXPECT_EQ(TokenizerFolder(json).error(),
            "tokenizer.json: added_tokens: the token \"<s>\" appears twice");
  json["added_tokens"] = {added_token(261, "")};
  EXPECT_EQ(TokenizerFolder(json).error(),
            "tokenizer.json: added_tokens[0]: content: expected 1 to 1024 bytes, found 0");
}

TEST(TokenizerJson, RefusesWhatItWouldMisread) {
  Json json = tiny_byte_level();
  json["model"]["dropout"] = 0.1;
  EXPECT_EQ(TokenizerFolder(json).error(), "tokenizer.json: model: dropout: 0.1 is not supported");
  json = tiny_byte_level();
  json["model"]["ignore_merge"] = true;
  EXPECT_EQ(TokenizerFolder(json).error(),
            "tokenizer.json: model: unknown key \"ignore_merge\"; did you mean "
            "\"ignore_merges\"?");
  json = tiny_byte_level();
  json.erase("model");
  EXPECT_EQ(TokenizerFolder(json).error(), "tokenizer.json: model: expected an object");
}

TEST(TokenizerJson, NeedsAFile) {
  TemporaryDirectory folder;
  EXPECT_EQ(error_text([&] { load_tokenizer(folder.path()); }),
            folder.path().string() +
                ": no tokenizer; expected tokenizer.json, tokenizer.model, "
                "spiece.model, vocab.json with merges.txt, or vocab.txt");
}

}  // namespace
}  // namespace peft
