#include "nasty_texts.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "peft/util/sha256.h"
#include "tiny_tokenizer.h"

namespace peft {
namespace {

/// Hashes of what the reference made of ten thousand texts, by real tokenizers.
class NastyTexts : public testing::TestWithParam<std::string> {
 protected:
  static const Json& fixture() {
    static const Json json = read_json<DataError>(std::filesystem::path(PEFT_SOURCE_DIR) /
                                                  "tests/fixtures/tokenizer/nasty.json");
    return json;
  }

  /// All texts, made once.
  static const std::vector<std::string>& texts() {
    static const std::vector<std::string> all = [] {
      std::vector<std::string> made;
      for (uint64_t i = 0; i < fixture().at("texts").get<uint64_t>(); ++i) {
        made.push_back(NastyText::make(i));
      }
      return made;
    }();
    return all;
  }

  static std::filesystem::path data() {
    const char* const named = std::getenv("PEFT_TEST_DATA");
    return (named != nullptr ? std::filesystem::path(named)
                             : std::filesystem::path(PEFT_SOURCE_DIR) / "../shared/data") /
           "tokenizers";
  }

  static std::string digest(const std::string& text) { return sha256(text).substr(0, 12); }
};

/// What the hashes of a batch are made of, one line a text.
struct BatchText {
  std::string ids, offsets, spelled;

  void add(const Tokenizer& tokenizer, const std::string& text, bool first) {
    const char* const line_end = first ? "" : "\n";
    const Encoding encoding = tokenizer.encode(text, /*add_special_tokens=*/true);
    ids += line_end;
    offsets += line_end;
    for (size_t i = 0; i < encoding.ids.size(); ++i) {
      const char* const gap = i == 0 ? "" : " ";
      ids += fmt::format("{}{}", gap, encoding.ids[i]);
      offsets += fmt::format("{}{}-{}", gap, encoding.offsets[i].first, encoding.offsets[i].second);
    }
    spelled += line_end + tokenizer.decode(encoding.ids, /*skip_special_tokens=*/false) + "\n" +
               tokenizer.decode(encoding.ids, /*skip_special_tokens=*/true);
  }
};

TEST_F(NastyTexts, AreThoseOfTheFixture) {
  EXPECT_EQ(digest(join(texts(), "")), fixture().at("hash").get<std::string>());
}

TEST_P(NastyTexts, GiveTheIdsOffsetsAndTextsOfTheReference) {
  const Json* entry = nullptr;
  for (const Json& candidate : fixture().at("tokenizers")) {
    entry = candidate.at("name") == GetParam() ? &candidate : entry;
  }
  ASSERT_NE(entry, nullptr);
  TokenizerFolder folder;
  for (const auto& [source, name] : entry->at("files").items()) {
    if (!std::filesystem::exists(data() / source)) {
      GTEST_SKIP() << "no " << data() / source << "; set PEFT_TEST_DATA";
    }
    folder.put(name.get<std::string>(), read_text<DataError>(data() / source, size_t{1} << 28));
  }
  if (!entry->at("config").empty()) {
    folder.put("tokenizer_config.json", entry->at("config").dump());
  }
  const auto tokenizer = folder.load();
  const size_t size = fixture().at("batch").get<size_t>();
  for (size_t batch = 0; batch < entry->at("hashes").size(); ++batch) {
    BatchText found;
    for (size_t i = batch * size; i < (batch + 1) * size; ++i) {
      found.add(*tokenizer, texts()[i], i == batch * size);
    }
    const auto expected = entry->at("hashes")[batch].get<std::vector<std::string>>();
    EXPECT_EQ(digest(found.ids), expected[0]) << "ids of batch " << batch;
    EXPECT_EQ(digest(found.offsets), expected[1]) << "offsets of batch " << batch;
    EXPECT_EQ(digest(found.spelled), expected[2]) << "texts of batch " << batch;
  }
}

INSTANTIATE_TEST_SUITE_P(Tokenizers, NastyTexts,
                         testing::Values("gpt2", "gpt-neox", "llama2", "llama3", "qwen2", "t5",
                                         "bert", "bert_cased", "bert_accents", "gpt2_files",
                                         "qwen2_files", "t5_model", "llama2_model",
                                         "llama2_model_new", "mistral_v1", "mistral_v3"),
                         [](const auto& instance) {
                           std::string name = instance.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace peft
