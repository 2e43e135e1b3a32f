#include "peft/interchange/gguf_tokenizer.h"

#include <gtest/gtest.h>

namespace peft {
namespace {

/// Tokens that are all normal, with what a test changes about them.
GgufVocabulary vocabulary_of(std::vector<std::string> tokens, std::string pre = "gpt-2") {
  GgufVocabulary vocabulary;
  vocabulary.model = "gpt2";
  vocabulary.pre = std::move(pre);
  vocabulary.kinds.assign(tokens.size(), GgufTokenKind::kNormal);
  for (size_t id = 0; id < tokens.size(); ++id) {
    vocabulary.ids[tokens[id]] = static_cast<int32_t>(id);
  }
  vocabulary.tokens = std::move(tokens);
  return vocabulary;
}

GgufVocabulary with_bos(std::string pre) {
  GgufVocabulary vocabulary = vocabulary_of({"<s>", "a"}, std::move(pre));
  vocabulary.bos = 0;
  return vocabulary;
}

TEST(GgufTokenizer, SplitsSmollmIntoSingleDigitsFirst) {
  const Json json = tokenizer_json(vocabulary_of({"a"}, "smollm"), "m.gguf");
  EXPECT_EQ(json["pre_tokenizer"].dump(),
            R"({"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":true},)"
            R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,)"
            R"("use_regex":true}]})");
  EXPECT_TRUE(json["post_processor"].is_null());
}

TEST(GgufTokenizer, SplitsGpt2ByItsOwnWords) {
  EXPECT_EQ(tokenizer_json(vocabulary_of({"a"}), "m.gguf")["pre_tokenizer"].dump(),
            R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,)"
            R"("use_regex":true})");
}

TEST(GgufTokenizer, SplitsLlama3IntoGroupsOfThreeDigits) {
  const Json json = tokenizer_json(with_bos("llama-bpe"), "m.gguf");
  EXPECT_EQ(json["pre_tokenizer"]["pretokenizers"][0].dump(),
            R"({"type":"Split","pattern":{"Regex":"(?i:'s|'t|'re|'ve|'m|'ll|'d)|)"
            R"([^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|)"
            R"(\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},"behavior":"Isolated","invert":false})");
  EXPECT_EQ(json["model"]["ignore_merges"], true);
}

TEST(GgufTokenizer, NormalisesQwen2) {
  const Json json = tokenizer_json(vocabulary_of({"a"}, "qwen2"), "m.gguf");
  EXPECT_EQ(json["normalizer"].dump(), R"({"type":"NFC"})");
  EXPECT_EQ(json["model"]["ignore_merges"], false);
}

TEST(GgufTokenizer, AddsBosWhereTheModelWantsIt) {
  EXPECT_EQ(tokenizer_json(with_bos("llama-bpe"), "m.gguf")["post_processor"].dump(),
            R"({"type":"TemplateProcessing",)"
            R"("single":[{"SpecialToken":{"id":"<s>","type_id":0}},)"
            R"({"Sequence":{"id":"A","type_id":0}}],)"
            R"("pair":[{"SpecialToken":{"id":"<s>","type_id":0}},)"
            R"({"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"<s>","type_id":1}},)"
            R"({"Sequence":{"id":"B","type_id":1}}],)"
            R"("special_tokens":{"<s>":{"id":"<s>","ids":[0],"tokens":["<s>"]}}})");
  GgufVocabulary without = with_bos("llama-bpe");
  without.add_bos = false;
  EXPECT_TRUE(tokenizer_json(without, "m.gguf")["post_processor"].is_null());
  EXPECT_TRUE(tokenizer_json(with_bos("gpt-2"), "m.gguf")["post_processor"].is_null());
}

TEST(GgufTokenizer, AddsControlAndUserDefinedTokens) {
  GgufVocabulary vocabulary = vocabulary_of({"<|end|>", "<tool>", "a"});
  vocabulary.kinds[0] = GgufTokenKind::kControl;
  vocabulary.kinds[1] = GgufTokenKind::kUserDefined;
  const Json json = tokenizer_json(vocabulary, "m.gguf");
  EXPECT_EQ(json["added_tokens"].dump(),
            R"([{"id":0,"content":"<|end|>","single_word":false,"lstrip":false,"rstrip":false,)"
            R"("normalized":false,"special":true},)"
            R"({"id":1,"content":"<tool>","single_word":false,"lstrip":false,"rstrip":false,)"
            R"("normalized":false,"special":false}])");
  EXPECT_EQ(json["model"]["vocab"].dump(), R"({"<|end|>":0,"<tool>":1,"a":2})");
}

/// Pieces "a" "b" "ab" "▁" "▁ab" with scores that rank "▁ab" last.
GgufVocabulary pieces() {
  GgufVocabulary vocabulary = vocabulary_of({"<unk>", "a", "b", "ab", "\u2581", "\u2581ab"});
  vocabulary.model = "llama";
  vocabulary.kinds[0] = GgufTokenKind::kUnknown;
  vocabulary.scores = {0.0, -4.0, -5.0, -1.0, -6.0, -2.0};
  vocabulary.unk = 0;
  return vocabulary;
}

TEST(GgufTokenizer, RebuildsMergesFromScores) {
  const Json model = tokenizer_json(pieces(), "m.gguf")["model"];
  EXPECT_EQ(model["merges"].dump(), "[\"a b\",\"\u2581 ab\"]");
  EXPECT_EQ(model["unk_token"], "<unk>");
  EXPECT_EQ(model["byte_fallback"], true);
  EXPECT_EQ(model["fuse_unk"], true);
}

TEST(GgufTokenizer, PutsSentencepiecesSpaceInFront) {
  const Json json = tokenizer_json(pieces(), "m.gguf");
  EXPECT_EQ(json["normalizer"].dump(),
            "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\",\"prepend\":"
            "\"\u2581\"},{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":"
            "\"\u2581\"}]}");
  EXPECT_EQ(json["decoder"]["decoders"].size(), 4u);
  GgufVocabulary without = pieces();
  without.add_space_prefix = false;
  const Json plain = tokenizer_json(without, "m.gguf");
  EXPECT_EQ(plain["normalizer"]["normalizers"].size(), 1u);
  EXPECT_EQ(plain["decoder"]["decoders"].size(), 3u);
}

TEST(GgufTokenizer, NamesSpecialTokensAndKeepsTheTemplate) {
  GgufVocabulary vocabulary = vocabulary_of({"<s>", "</s>", "a"});
  vocabulary.bos = 0;
  vocabulary.eos = 1;
  vocabulary.add_bos = true;
  vocabulary.chat_template = "{{ messages }}";
  EXPECT_EQ(tokenizer_config(vocabulary, 128).dump(),
            R"({"tokenizer_class":"PreTrainedTokenizerFast","model_max_length":128,)"
            R"("add_bos_token":true,"add_eos_token":false,"clean_up_tokenization_spaces":false,)"
            R"("bos_token":"<s>","eos_token":"</s>","chat_template":"{{ messages }}"})");
}

TEST(GgufTokenizer, EndsAtTheEndOfATurnToo) {
  GgufVocabulary vocabulary = vocabulary_of({"<|end|>", "<|eot|>"});
  vocabulary.eos = 0;
  vocabulary.eot = 1;
  EXPECT_EQ(generation_config(vocabulary).dump(), R"({"eos_token_id":[0,1]})");
  vocabulary.eot = 0;
  EXPECT_EQ(generation_config(vocabulary).dump(), R"({"eos_token_id":0})");
}

}  // namespace
}  // namespace peft
