#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "io/temporary_directory.h"
#include "peft/tokenizer/tokenizer.h"
#include "peft/util/json.h"
#include "peft/util/text.h"

namespace peft {
namespace {

constexpr size_t kFileLimit = size_t{16} << 20;
constexpr std::string_view kSeparator = "\n__ggml_vocab_test__\n";

using Ids = std::vector<int32_t>;

/// Tokenizers of real models with ids that others recorded.
class ReferenceVectors : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    const char* const named = std::getenv("PEFT_TEST_DATA");
    data_ = named != nullptr ? std::filesystem::path(named)
                             : std::filesystem::path(PEFT_SOURCE_DIR) / "../shared/data";
    if (!std::filesystem::is_directory(data_ / "tokenizers")) {
      GTEST_SKIP() << "no tokenizers in " << data_ << "; set PEFT_TEST_DATA";
    }
  }

  /// The folder of a tokenizer; "llama2/tokenizer.model" is one with this file alone.
  std::filesystem::path folder() {
    if (!GetParam().ends_with(".model")) {
      return data_ / "tokenizers" / GetParam();
    }
    std::filesystem::copy_file(data_ / "tokenizers" / GetParam(), copy_ / "tokenizer.model");
    return copy_.path();
  }
  std::filesystem::path vectors() const { return data_ / "tokenizers" / split(GetParam(), '/')[0]; }

  std::filesystem::path data_;
  TemporaryDirectory copy_;
};

std::vector<std::string> split_texts(const std::string& all) {
  std::vector<std::string> texts;
  size_t begin = 0;
  for (size_t end = all.find(kSeparator); end != std::string::npos;
       end = all.find(kSeparator, begin)) {
    texts.push_back(all.substr(begin, end - begin));
    begin = end + kSeparator.size();
  }
  texts.push_back(all.substr(begin));
  return texts;
}

Ids parse_ids(const std::string& line) {
  Ids ids;
  for (const std::string& number : split(line, ' ')) {
    if (!number.empty()) {
      ids.push_back(std::stoi(number));
    }
  }
  return ids;
}

TEST_P(ReferenceVectors, HaveTheSameIds) {
  const auto tokenizer = load_tokenizer(folder());
  const auto texts = split_texts(read_text<DataError>(vectors() / "vectors.inp", kFileLimit));
  const auto lines = split(read_text<DataError>(vectors() / "vectors.out", kFileLimit), '\n');
  ASSERT_GE(texts.size(), 46u);
  for (size_t i = 0; i < texts.size(); ++i) {
    EXPECT_EQ(tokenizer->encode(texts[i], /*add_special_tokens=*/false).ids, parse_ids(lines[i]))
        << texts[i];
  }
}

TEST_P(ReferenceVectors, HaveTheSameIdsAndTextsAsTransformers) {
  const auto file = vectors() / "hf_vectors.json";
  if (!std::filesystem::exists(file)) {
    GTEST_SKIP() << GetParam() << " has no vectors of transformers";
  }
  const auto tokenizer = load_tokenizer(folder());
  for (const Json& row : read_json<DataError>(file)) {
    const auto text = row.at("input").get<std::string>();
    const Ids ids = tokenizer->encode(text, /*add_special_tokens=*/true).ids;
    EXPECT_EQ(ids, row.at("encoded").at("input_ids").get<Ids>()) << text;
    // Recorded with clean_up_tokenization_spaces on, which takes this text's space before "!".
    if (text.find(" !!") == std::string::npos) {
      EXPECT_EQ(tokenizer->decode(ids, /*skip_special_tokens=*/false),
                row.at("decoded_with_special").get<std::string>());
      EXPECT_EQ(tokenizer->decode(ids, /*skip_special_tokens=*/true),
                row.at("decoded_without_special").get<std::string>());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Tokenizers, ReferenceVectors,
                         testing::Values("gpt2", "llama3", "qwen2", "llama2",
                                         "llama2/tokenizer.model"),
                         [](const auto& instance) {
                           std::string name = instance.param;
                           std::replace(name.begin(), name.end(), '/', '_');
                           std::replace(name.begin(), name.end(), '.', '_');
                           return name;
                         });

class GptNeox : public ReferenceVectors {};

TEST_P(GptNeox, HasTheSameIdsAndOffsetsAsTheReference) {
  const auto tokenizer = load_tokenizer(folder());
  const Json fixture = read_json<DataError>(std::filesystem::path(PEFT_SOURCE_DIR) /
                                            "tests/fixtures/tokenizer/gpt-neox.json");
  for (const Json& row : fixture.at("cases")) {
    const auto text = row.at("text").get<std::string>();
    const Encoding encoding = tokenizer->encode(text, /*add_special_tokens=*/true);
    EXPECT_EQ(encoding.ids, row.at("ids").get<Ids>()) << text;
    EXPECT_EQ(encoding.offsets, (row.at("offsets").get<std::vector<std::pair<int64_t, int64_t>>>()))
        << text;
  }
}

INSTANTIATE_TEST_SUITE_P(Tokenizers, GptNeox, testing::Values("gpt-neox"));

class StoryModels : public ReferenceVectors {};

TEST_P(StoryModels, HaveTheIdsOfTheirRecordedTexts) {
  const auto tokenizer = load_tokenizer(data_ / GetParam());
  const Json reference = read_json<DataError>(data_ / GetParam() / "reference.json");
  for (const Json& row : reference.at("losses")) {
    EXPECT_EQ(tokenizer->encode(row.at("text").get<std::string>(), /*add_special_tokens=*/true).ids,
              row.at("ids").get<Ids>());
  }
}

INSTANTIATE_TEST_SUITE_P(Tokenizers, StoryModels,
                         testing::Values("stories260K", "tinystories-656K"),
                         [](const auto& instance) {
                           return instance.param.substr(0, instance.param.find('-'));
                         });

}  // namespace
}  // namespace peft
