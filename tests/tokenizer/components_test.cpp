#include <gtest/gtest.h>

#include "tiny_tokenizer.h"

namespace peft {
namespace {

using Offsets = std::vector<std::pair<int64_t, int64_t>>;

/// What the Hugging Face library made of a few texts, with a tokenizer for every component.
void expect_what_the_reference_does(const char* name, size_t count) {
  const Json fixture = read_json<DataError>(std::filesystem::path(PEFT_SOURCE_DIR) /
                                            "tests/fixtures/tokenizer" / name);
  ASSERT_EQ(fixture.at("tokenizers").size(), count);
  for (const Json& entry : fixture.at("tokenizers")) {
    const auto tokenizer = TokenizerFolder(entry.at("tokenizer")).load();
    for (const Json& expected : entry.at("cases")) {
      const auto text = expected.at("text").get<std::string>();
      SCOPED_TRACE(text + " with " + entry.value("name", "") +
                   entry.at("tokenizer").at("pre_tokenizer").dump());
      const Encoding encoding = tokenizer->encode(text, /*add_special_tokens=*/true);
      EXPECT_EQ(encoding.ids, expected.at("ids").get<std::vector<int32_t>>());
      EXPECT_EQ(encoding.offsets, expected.at("offsets").get<Offsets>());
      EXPECT_EQ(tokenizer->decode(encoding.ids, /*skip_special_tokens=*/false),
                expected.at("decoded").get<std::string>());
      EXPECT_EQ(tokenizer->decode(encoding.ids, /*skip_special_tokens=*/true),
                expected.at("decoded_without_special").get<std::string>());
    }
  }
}

TEST(Components, DoWhatTheReferenceDoes) {
  expect_what_the_reference_does("components.json", 14);
}

TEST(Components, OfWordsAndPiecesDoWhatTheReferenceDoes) {
  expect_what_the_reference_does("tiny.json", 10);
}

Json with_normalizer(const Json& normalizer) {
  Json json = tiny_byte_level();
  json["normalizer"] = normalizer;
  return json;
}

TEST(Components, NormalizeToComposedCharacters) {
  const auto tokenizer = TokenizerFolder(with_normalizer({{"type", "NFC"}})).load();
  const Encoding encoding = tokenizer->encode("xe\u0301y", /*add_special_tokens=*/false);
  EXPECT_EQ(tokenizer->decode(encoding.ids, /*skip_special_tokens=*/false), "x\u00E9y");
  EXPECT_EQ(encoding.offsets, (Offsets{{0, 1}, {1, 2}, {1, 2}, {3, 4}}));
}

TEST(Components, ComposeHangul) {
  const auto tokenizer = TokenizerFolder(with_normalizer({{"type", "NFC"}})).load();
  const Encoding encoding = tokenizer->encode("\u1112\u1161\u11AB", /*add_special_tokens=*/false);
  EXPECT_EQ(tokenizer->decode(encoding.ids, /*skip_special_tokens=*/false), "\uD55C");
}

TEST(Components, AreRefusedByNameWhenUnknown) {
  EXPECT_EQ(TokenizerFolder(with_normalizer({{"type", "Romaji"}})).error(),
            "tokenizer.json: normalizer: the normalizer \"Romaji\" is not supported");
  Json json = tiny_byte_level();
  json["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", {{{"type", "UnicodeScripts"}}}}};
  EXPECT_EQ(TokenizerFolder(json).error(),
            "tokenizer.json: pre_tokenizer.pretokenizers[0]: the pre-tokenizer "
            "\"UnicodeScripts\" is not supported");
  json = tiny_byte_level();
  json["post_processor"] = {{"type", "CtcProcessing"}};
  EXPECT_EQ(TokenizerFolder(json).error(),
            "tokenizer.json: post_processor: the post-processor \"CtcProcessing\" is not "
            "supported");
  json = tiny_byte_level();
  json["decoder"] = {{"type", "CTC"}};
  EXPECT_EQ(TokenizerFolder(json).error(),
            "tokenizer.json: decoder: the decoder \"CTC\" is not supported");
  json = tiny_byte_level();
  json["model"]["type"] = "Morphemes";
  EXPECT_EQ(TokenizerFolder(json).error(),
            "tokenizer.json: model: the type \"Morphemes\" is not supported");
}

TEST(Components, AreRefusedWithFaultyOptions) {
  Json json = tiny_byte_level();
  json["pre_tokenizer"] = {{"type", "Split"},
                           {"pattern", {{"Regex", "(a"}}},
                           {"behavior", "Isolated"},
                           {"invert", false}};
  EXPECT_EQ(TokenizerFolder(json).error(),
            "tokenizer.json: pre_tokenizer.pattern: the regular expression \"(a\" is faulty: "
            "missing closing parenthesis at offset 6");
  json["pre_tokenizer"]["pattern"] = {{"Regex", "a"}};
  json["pre_tokenizer"]["behavior"] = "Joined";
  EXPECT_EQ(TokenizerFolder(json).error(),
            "tokenizer.json: pre_tokenizer: unknown split behavior \"Joined\"");
  json["pre_tokenizer"] = {{"type", "Metaspace"}, {"prepend_scheme", "often"}};
  EXPECT_EQ(TokenizerFolder(json).error(),
            "tokenizer.json: pre_tokenizer: unknown prepend_scheme \"often\"");
}

/// before | between | behind, and where token type 1 begins.
std::string frame_of(const Json& post_processor) {
  Json json = tiny_byte_level();
  json["post_processor"] = post_processor;
  const PairFrame frame = TokenizerFolder(json).load()->pair_frame();
  return fmt::format("{} | {} | {}, {}", fmt::join(frame.before, " "),
                     fmt::join(frame.between, " "), fmt::join(frame.behind, " "),
                     frame.second_type ? std::to_string(*frame.second_type) : "none");
}

TEST(PairFrame, IsWhatThePostProcessorPutsAroundTwoTexts) {
  const Json bert = {{"type", "BertProcessing"}, {"sep", {"b", 98}}, {"cls", {"a", 97}}};
  const Json roberta = {{"type", "RobertaProcessing"}, {"sep", {"b", 98}}, {"cls", {"a", 97}}};
  EXPECT_EQ(frame_of(bert), "97 | 98 | 98, 1");
  EXPECT_EQ(frame_of(roberta), "97 | 98 98 | 98, none");
  EXPECT_EQ(frame_of(nullptr), " |  | , 0");
}

TEST(PairFrame, IsThePairOfATemplate) {
  const auto special = [](const char* id, int type) {
    return Json{{"SpecialToken", {{"id", id}, {"type_id", type}}}};
  };
  const auto text = [](const char* id, int type) {
    return Json{{"Sequence", {{"id", id}, {"type_id", type}}}};
  };
  const auto token = [](const char* id, int number) {
    return Json{{"id", id}, {"ids", {number}}, {"tokens", {id}}};
  };
  const Json json = {{"type", "TemplateProcessing"},
                     {"single", {special("a", 0), text("A", 0), special("b", 0)}},
                     {"pair",
                      {special("a", 0), text("A", 0), special("b", 0), special("a", 1),
                       text("B", 1), special("b", 1)}},
                     {"special_tokens", {{"a", token("a", 97)}, {"b", token("b", 98)}}}};
  EXPECT_EQ(frame_of(json), "97 | 98 97 | 98, 1");
  const Json parts = {{"type", "Sequence"},
                      {"processors", {tiny_byte_level()["pre_tokenizer"], json}}};
  EXPECT_EQ(frame_of(parts), "97 | 98 97 | 98, 1");
}

}  // namespace
}  // namespace peft
