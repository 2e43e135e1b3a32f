#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "peft/data/dataset.h"
#include "peft/data/row_mapping.h"

namespace peft {
namespace {

/// Data sets that people have, with the small tokenizer and the ChatML shape of the fixtures.
class RealRows : public testing::Test {
 protected:
  void SetUp() override {
    const char* const named = std::getenv("PEFT_TEST_DATA");
    folder_ = named != nullptr ? std::filesystem::path(named)
                               : std::filesystem::path(PEFT_SOURCE_DIR) / "../shared/data";
    if (!std::filesystem::is_directory(folder_ / "datasets")) {
      GTEST_SKIP() << "no data sets in " << folder_ << "; set PEFT_TEST_DATA";
    }
  }

  Dataset load(const std::string& file, DataOptions options = {}) const {
    options.max_length = 100'000;
    return load_dataset({{.path = folder_ / "datasets" / file}}, options,
                        {*tokenizer_, &template_, {*tokenizer_->special().eos}});
  }

  /// All trained tokens of an example as text.
  std::string trained_text(const Example& example) const {
    std::vector<int32_t> ids;
    for (size_t i = 0; i < example.ids.size(); ++i) {
      if (example.labels[i] != kIgnored) {
        ids.push_back(example.ids[i]);
      }
    }
    return tokenizer_->decode(ids, /*skip_special_tokens=*/false);
  }

  std::vector<std::string> trained_texts(const Dataset& dataset) const {
    std::vector<std::string> texts;
    for (const Example& example : dataset.examples) {
      texts.push_back(trained_text(example));
    }
    return texts;
  }

  Json rows(const std::string& file) const {
    return read_json<DataError>(folder_ / "datasets" / file, {.bytes = size_t{1} << 30});
  }

  static std::filesystem::path fixtures() {
    return std::filesystem::path(PEFT_SOURCE_DIR) / "tests/fixtures/data";
  }

  std::filesystem::path folder_;
  std::unique_ptr<Tokenizer> tokenizer_ = load_tokenizer(fixtures() / "tokenizer");
  ChatTemplate template_{read_text<DataError>(fixtures() / "templates/chatml.jinja", 1 << 16),
                         tokenizer_->special()};
};

TEST_F(RealRows, OfShareGptTrainExactlyTheAnswers) {
  std::vector<std::string> answers;
  for (const Json& row : rows("chat/dummy_conversation.json")) {
    std::string& text = answers.emplace_back();
    for (const Json& message : row.at("conversations")) {
      if (message.at("from") == "gpt") {
        text += message.at("value").get<std::string>() + "<|im_end|>";
      }
    }
  }
  EXPECT_EQ(trained_texts(load("chat/dummy_conversation.json")), answers);
}

TEST_F(RealRows, OfAlpacaTrainExactlyTheOutput) {
  std::vector<std::string> answers;
  for (const Json& row : rows("alpaca/alpaca_tiny.json")) {
    answers.push_back(row.at("output").get<std::string>() + "<|im_end|>");
  }
  EXPECT_EQ(trained_texts(load("alpaca/alpaca_tiny.json")), answers);
}

TEST_F(RealRows, OfMessagesWithWeightsAreRead) {
  const Dataset dataset = load("chat/v1_sft_demo.jsonl");
  EXPECT_EQ(dataset.report.rows, 500);
  EXPECT_EQ(dataset.report.without_stop, 0);
  EXPECT_EQ(dataset.report.decision, "chat, from the key \"messages\"");
}

TEST_F(RealRows, WithToolCallsAreRead) {
  const Dataset dataset = load("chat/glaive_toolcall_en_demo.json");
  EXPECT_EQ(dataset.examples.size(), 300u);
  EXPECT_NE(trained_text(dataset.examples[0]).find("{\"name\": \"search_recipes\""),
            std::string::npos);
}

TEST_F(RealRows, OfQuestionsAndAnswersArePairs) {
  const Dataset dataset = load("gsm8k/train_first2000.jsonl");
  EXPECT_EQ(dataset.report.decision,
            "pair, from the keys \"question\" as prompt, \"answer\" as completion");
  EXPECT_EQ(dataset.examples.size(), 2000u);
  EXPECT_TRUE(trained_text(dataset.examples[0]).ends_with("#### 72</s>"));
}

TEST_F(RealRows, OfPlainTextAreTrainedWhole) {
  const Dataset dataset = load("plain-text/c4_demo.jsonl");
  EXPECT_EQ(dataset.report.scored_tokens, dataset.report.tokens - 300);  // all but each BOS
}

TEST_F(RealRows, OfPreferencesAreRefused) {
  EXPECT_THROW(load("preference/dpo_en_demo.json"), DataError);
}

}  // namespace
}  // namespace peft
