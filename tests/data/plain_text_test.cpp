#include "peft/data/plain_text.h"

#include <gtest/gtest.h>

#include "data/error_text.h"
#include "data/fake_tokenizer.h"
#include "data/family_rows.h"
#include "peft/data/prompt_format.h"

namespace peft {
namespace {

const Json& plain_fixture() {
  static const Json json =
      read_json<DataError>(FamilyRows::fixtures() / "data" / "plain_text.json", {.bytes = 1 << 22});
  return json;
}

/// Rows that spell special tokens, by a tokenizer that cannot know their spellings
/// (scripts/fixtures/plain_text.py).
class PlainRows : public testing::TestWithParam<std::string> {};

TEST_P(PlainRows, AreThoseOfTheReference) {
  const auto batch = plain_fixture().at("batch").get<size_t>();
  for (const auto& [mode, expected] : plain_fixture().at("families").at(GetParam()).items()) {
    SCOPED_TRACE(mode);
    FamilyRows rows(GetParam());
    const DataOptions options{.train_on = mode, .special_in_text = "plain"};
    EXPECT_EQ(rows.hashes(plain_fixture().at("rows"), options, batch),
              expected.get<std::vector<std::string>>());
  }
}

INSTANTIATE_TEST_SUITE_P(Templates, PlainRows,
                         testing::ValuesIn(FamilyRows::names(plain_fixture().at("families"))),
                         [](const auto& family) { return family.param; });

TEST(PlainText, HasNoSpecialTokenButTheBosInFront) {
  const auto tokenizer = load_tokenizer(FamilyRows::fixtures() / "data" / "tokenizer");
  const TextPipeline pipeline{*tokenizer, nullptr, {*tokenizer->special().eos}};
  const DataOptions options{.format = "text", .special_in_text = "plain"};
  const PromptFormat format(options, pipeline);
  for (const Json& entry : plain_fixture().at("texts")) {
    const FormattedSource source = format.format(entry, detect_mapping(entry, options, "d"), "d");
    EXPECT_EQ(source.rows.at(0).ids, entry.at("ids").get<std::vector<int32_t>>()) << entry;
  }
}

class PlainChat : public testing::Test {
 protected:
  std::string shown(const std::string& answer, const std::string& source = kSource) const {
    Conversation conversation;
    conversation.messages = {{{"role", "user"}, {"content", "a<e>"}},
                             {{"role", "assistant"}, {"content", answer}}};
    conversation.weights.resize(2);
    const ChatTemplate chat_template(source, tokenizer_.special());
    const TextPipeline pipeline{tokenizer_, &chat_template, {2}};
    const DataOptions options{.special_in_text = "plain"};
    const MaskedConversation masked =
        mask_conversation(conversation, options, pipeline, stop_set(pipeline), "d.jsonl:3");
    return marked(masked.rows.at(0), tokenizer_) + fmt::format(" {}", masked.rows[0].ids.size());
  }

  static constexpr const char* kSource =
      "{% for m in messages %}{{ '<a>' if m.role == 'assistant' else '<u>' }}"
      "{{ m.content.split('|')[-1] }}<e>{% endfor %}{% if add_generation_prompt %}<a>{% endif %}";
  FakeTokenizer tokenizer_;
};

TEST_F(PlainChat, KeepsTheTokensOfTheTemplate) {
  EXPECT_EQ(shown("x<e>y"), "<u>a<e><e><a>⟦x<e>y<e>⟧ 13");
}

TEST_F(PlainChat, HidesTheRowsTokensFromTheTemplate) {
  EXPECT_EQ(shown("<u>|<a>"), "<u>a<e><e><a>⟦<a><e>⟧ 11");
  // What the row spells is not what the template looks for.
  EXPECT_EQ(shown("x",
                  "{% for m in messages %}{{ '<a>' if m.role == 'assistant' else '<u>' }}"
                  "{{ m.content.split('<e>')[0] }}<e>{% endfor %}"
                  "{% if add_generation_prompt %}<a>{% endif %}"),
            "<u>a<e><e><a>⟦x<e>⟧ 9");
}

TEST_F(PlainChat, RefusesATemplateThatSpellsTheMarksInAscii) {
  const std::string source =
      "{% for m in messages %}{{ '<a>' if m.role == 'assistant' else '<u>' }}"
      "{{ m.content | tojson(ensure_ascii=true) }}<e>{% endfor %}"
      "{% if add_generation_prompt %}<a>{% endif %}";
  const std::string text = error_text<DataError>([&] { shown("x", source); });
  EXPECT_NE(text.find("JSON in ASCII"), std::string::npos) << text;
}

TEST_F(PlainChat, ChoosesAMarkThatTheRowDoesNotHave) {
  const auto tokenizer = load_tokenizer(FamilyRows::fixtures() / "data" / "tokenizer");
  const ChatTemplate chat_template("{% for m in messages %}{{ m.content }}{% endfor %}",
                                   tokenizer->special());
  Conversation conversation;
  conversation.messages = {{{"role", "user"}, {"content", "🀰</s>🀱"}}};
  const PlainMarks marks(conversation, {*tokenizer, &chat_template, {}}, "d.jsonl:3");
  std::string text = chat_template.render(marks.conversation().messages, Json(), false);
  const std::vector<TextSpan> spans = marks.take_from(text);
  EXPECT_EQ(text, "🀰</s>🀱");
  ASSERT_EQ(spans.size(), 1u);
  EXPECT_EQ(spans[0].begin, 4u);
  EXPECT_EQ(spans[0].end, 8u);
}

}  // namespace
}  // namespace peft
