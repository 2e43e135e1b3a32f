#include <gtest/gtest.h>

#include <filesystem>

#include "peft/data/chat_mask.h"
#include "peft/data/prompt_format.h"
#include "peft/data/stop_tokens.h"

namespace peft {
namespace {

/// Ids and masks that transformers computed (scripts/fixtures/masks.py).
class Masks : public testing::Test {
 protected:
  static std::filesystem::path folder() {
    return std::filesystem::path(PEFT_SOURCE_DIR) / "tests/fixtures/data";
  }

  ChatTemplate chat_template(const std::string& name) const {
    return ChatTemplate(read_text<DataError>(folder() / "templates" / (name + ".jinja"), 1 << 16),
                        tokenizer_->special());
  }

  static FormattedRow expected_row(const Json& fixture) {
    FormattedRow row;
    row.ids = fixture.at("ids").get<std::vector<int32_t>>();
    row.labels.assign(row.ids.size(), kIgnored);
    for (const Json& span : fixture.at("trained")) {
      for (size_t i = span.at(0); i < span.at(1); ++i) {
        row.labels[i] = row.ids[i];
      }
    }
    return row;
  }

  Conversation conversation(const std::string& title) const {
    const Json row = {{"messages", masks_.at("conversations").at(title)}};
    return read_conversation(row, detect_mapping(row, {}, title), /*knows_tools=*/false, title);
  }

  void expect_equal(const std::vector<FormattedRow>& rows, const Json& fixture) const {
    ASSERT_EQ(rows.size(), fixture.size());
    for (size_t i = 0; i < rows.size(); ++i) {
      const FormattedRow expected = expected_row(fixture.at(i));
      EXPECT_EQ(rows[i].ids, expected.ids);
      EXPECT_EQ(rows[i].labels, expected.labels);
    }
  }

  std::unique_ptr<Tokenizer> tokenizer_ = load_tokenizer(folder() / "tokenizer");
  Json masks_ = read_json<DataError>(folder() / "masks.json", JsonLimits{});
};

TEST_F(Masks, OfConversationsAreThoseOfTheReference) {
  for (const Json& fixture : masks_.at("chat")) {
    const ChatTemplate shape = chat_template(fixture.at("template"));
    const TextPipeline pipeline{*tokenizer_, &shape, {*tokenizer_->special().eos}};
    const auto title = fixture.at("conversation").get<std::string>();
    for (const auto& [mode, rows] : fixture.at("modes").items()) {
      SCOPED_TRACE(fixture.at("template").get<std::string>() + ", " + title + ", " + mode);
      const DataOptions options{.train_on = mode};
      expect_equal(
          mask_conversation(conversation(title), options, pipeline, stop_set(pipeline), title).rows,
          rows);
    }
  }
}

TEST_F(Masks, AreRefusedWhereTheTemplateRefuses) {
  const ChatTemplate shape = chat_template("turn");
  const TextPipeline pipeline{*tokenizer_, &shape, {*tokenizer_->special().eos}};
  EXPECT_THROW(
      mask_conversation(conversation("system"), {}, pipeline, stop_set(pipeline), "d.jsonl:1"),
      DataError);
}

TEST_F(Masks, OfPairsAreThoseOfTheReference) {
  const TextPipeline pipeline{*tokenizer_, nullptr, {*tokenizer_->special().eos}};
  const DataOptions options;
  const PromptFormat format(options, pipeline);
  for (const Json& fixture : masks_.at("pair")) {
    SCOPED_TRACE(fixture.dump());
    expect_equal(format.format(fixture, detect_mapping(fixture, options, "d"), "d").rows,
                 Json::array({fixture}));
  }
}

}  // namespace
}  // namespace peft
