#include <gtest/gtest.h>

#include "peft/util/log.h"
#include "tiny_tokenizer.h"

namespace peft {
namespace {

Json with_tokens() {
  Json json = tiny_byte_level();
  json["added_tokens"] = {added_token(261, "<s>"), added_token(262, "</s>")};
  return json;
}

TEST(SpecialTokens, ComeFromTheConfigAsTextsOrObjects) {
  TokenizerFolder folder(with_tokens());
  folder.put("tokenizer_config.json",
             R"({"bos_token": {"content": "<s>", "lstrip": false}, "eos_token": "</s>",
                 "pad_token": null, "model_max_length": 1000000000000000019884624838656})");
  const auto tokenizer = folder.load();
  EXPECT_EQ(tokenizer->special().bos, 261);
  EXPECT_EQ(tokenizer->special().bos_text, "<s>");
  EXPECT_EQ(tokenizer->special().eos, 262);
  EXPECT_EQ(tokenizer->special().pad, std::nullopt);
  EXPECT_EQ(tokenizer->special().pad_text, "");
}

TEST(SpecialTokens, ComeFromTheMapWhereTheConfigIsSilent) {
  TokenizerFolder folder(with_tokens());
  folder.put("tokenizer_config.json", R"({"eos_token": "</s>"})");
  folder.put("special_tokens_map.json", R"({"bos_token": "<s>", "eos_token": "<s>"})");
  const auto tokenizer = folder.load();
  EXPECT_EQ(tokenizer->special().bos, 261);
  EXPECT_EQ(tokenizer->special().eos, 262);
}

TEST(SpecialTokens, OfTheDecoderListAreFoundInTexts) {
  TokenizerFolder folder(with_tokens());
  folder.put("tokenizer_config.json",
             R"({"added_tokens_decoder": {"263": {"content": "<tool>", "special": true}}})");
  const auto tokenizer = folder.load();
  EXPECT_EQ(tokenizer->encode("<tool>", /*add_special_tokens=*/false).ids,
            std::vector<int32_t>{263});
  EXPECT_TRUE(tokenizer->is_special(263));
}

TEST(SpecialTokens, OfBothVersionsOfTheExtraListAreSpecial) {
  for (const char* const config :
       {R"({"additional_special_tokens": ["<note>"]})", R"({"extra_special_tokens": ["<note>"]})",
        R"({"extra_special_tokens": {"note_token": "<note>"}})"}) {
    Json json = with_tokens();
    json["added_tokens"].push_back(added_token(263, "<note>", /*special=*/false));
    TokenizerFolder folder(json);
    folder.put("tokenizer_config.json", config);
    EXPECT_TRUE(folder.load()->is_special(263));
  }
}

TEST(SpecialTokens, AreLeftOutWithAWarningWhenUnknown) {
  TokenizerFolder folder(with_tokens());
  folder.put("tokenizer_config.json", R"({"pad_token": "[PAD]"})");
  EXPECT_EQ(folder.load()->special().pad, std::nullopt);
  EXPECT_EQ(warnings().back(),
            "the tokenizer's pad_token \"[PAD]\" is not in its vocabulary; it is left out");
}

TEST(SpecialTokens, AreRefusedWhenTheyAreNoTexts) {
  TokenizerFolder folder(with_tokens());
  folder.put("tokenizer_config.json", R"({"bos_token": 5})");
  EXPECT_EQ(folder.error(),
            "tokenizer_config.json: bos_token: expected a token or an object with its content, "
            "found 5");
  folder.put("tokenizer_config.json", R"({"added_tokens_decoder": {"x": {"content": "a"}}})");
  EXPECT_EQ(folder.error(),
            "tokenizer_config.json: added_tokens_decoder: expected an id as key, found \"x\"");
}

}  // namespace
}  // namespace peft
