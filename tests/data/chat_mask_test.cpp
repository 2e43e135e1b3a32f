#include "peft/data/chat_mask.h"

#include <gtest/gtest.h>

#include "data/error_text.h"
#include "data/fake_tokenizer.h"
#include "peft/data/stop_tokens.h"

namespace peft {
namespace {

constexpr const char* kTurns =
    "{% for m in messages %}{{ '<a>' if m['role'] == 'assistant' else '<u>' }}{{ m['content'] }}<e>"
    "{% endfor %}{% if add_generation_prompt %}<a>{% endif %}";

/// Messages by turns, the user first.
Conversation conversation_of(const std::vector<std::string>& texts) {
  Conversation conversation;
  for (size_t i = 0; i < texts.size(); ++i) {
    conversation.messages.push_back(
        {{"role", i % 2 == 0 ? "user" : "assistant"}, {"content", texts[i]}});
    conversation.weights.emplace_back();
  }
  return conversation;
}

class ChatMask : public testing::Test {
 protected:
  MaskedConversation masked(const Conversation& conversation, const DataOptions& options = {},
                            const std::string& source = kTurns) const {
    const ChatTemplate chat_template(source, tokenizer_.special());
    const TextPipeline pipeline{tokenizer_, &chat_template, {2}};
    return mask_conversation(conversation, options, pipeline, stop_set(pipeline), "d.jsonl:3");
  }

  std::vector<std::string> shown(const Conversation& conversation, const DataOptions& options = {},
                                 const std::string& source = kTurns) const {
    std::vector<std::string> rows;
    for (const FormattedRow& row : masked(conversation, options, source).rows) {
      rows.push_back(marked(row, tokenizer_));
    }
    return rows;
  }

  FakeTokenizer tokenizer_;
};

using Shown = std::vector<std::string>;

TEST_F(ChatMask, TrainsEveryAnswerThroughItsStopToken) {
  EXPECT_EQ(shown(conversation_of({"hi", "yo", "ok", "so"})),
            Shown{"<u>hi<e><a>⟦yo<e>⟧<u>ok<e><a>⟦so<e>⟧"});
}

TEST_F(ChatMask, TrainsTheLastAnswerOnly) {
  const Conversation conversation = conversation_of({"hi", "yo", "ok", "so", "go"});
  const Shown expected = {"<u>hi<e><a>yo<e><u>ok<e><a>⟦so<e>⟧<u>go<e>"};
  EXPECT_EQ(shown(conversation, {.train_on = "last_assistant"}), expected);
  EXPECT_EQ(shown(conversation, {.train_on = "completion"}), expected);
}

TEST_F(ChatMask, TrainsEverything) {
  EXPECT_EQ(shown(conversation_of({"hi", "yo"}), {.train_on = "all"}), Shown{"⟦<u>hi<e><a>yo<e>⟧"});
}

TEST_F(ChatMask, NeverTrainsABosInFront) {
  EXPECT_EQ(shown(conversation_of({"hi", "yo"}), {.train_on = "all"}, std::string("[s]") + kTurns),
            Shown{"[s]⟦<u>hi<e><a>yo<e>⟧"});
}

TEST_F(ChatMask, LeavesTheStopTokenOutWhenAsked) {
  EXPECT_EQ(shown(conversation_of({"hi", "yo", "ok", "so"}), {.train_on_eos = false}),
            Shown{"<u>hi<e><a>⟦yo⟧<e><u>ok<e><a>⟦so⟧<e>"});
  EXPECT_EQ(shown(conversation_of({"hi", "yo"}), {.train_on = "all", .train_on_eos = false}),
            Shown{"⟦<u>hi<e><a>yo⟧<e>"});
}

TEST_F(ChatMask, MasksMessagesWithoutWeight) {
  Conversation conversation = conversation_of({"hi", "yo", "ok", "so"});
  conversation.weights = {{1}, {0}, {0}, {1}};
  EXPECT_EQ(shown(conversation), Shown{"<u>hi<e><a>yo<e><u>ok<e><a>⟦so<e>⟧"});
  EXPECT_EQ(shown(conversation, {.train_on = "all"}),
            Shown{"⟦<u>hi<e><a>⟧yo<e><u>ok<e>⟦<a>so<e>⟧"});
}

TEST_F(ChatMask, GivesTheTokensOfAMessageItsWeight) {
  Conversation conversation = conversation_of({"hi", "yo", "ok", "so"});
  conversation.weights = {{0.5F}, {0.25F}, {0}, {1}};
  const FormattedRow row = masked(conversation).rows[0];  // <u>hi<e><a>yo<e><u>ok<e><a>so<e>
  EXPECT_EQ(row.weights,
            (std::vector<float>{1, 1, 1, 1, 1, 0.25F, 0.25F, 0.25F, 1, 1, 1, 1, 1, 1, 1, 1}));
  const FormattedRow all = masked(conversation, {.train_on = "all"}).rows[0];
  EXPECT_EQ(marked(all, tokenizer_), "⟦<u>hi<e><a>yo<e>⟧<u>ok<e>⟦<a>so<e>⟧");
  EXPECT_EQ(all.weights, (std::vector<float>{0.5F, 0.5F, 0.5F, 0.5F, 1, 0.25F, 0.25F, 0.25F, 1, 1,
                                             1, 1, 1, 1, 1, 1}));
  conversation.weights = {{1}, {0}, {1}, {1}};
  EXPECT_TRUE(masked(conversation).rows[0].weights.empty());
}

TEST_F(ChatMask, DividesAContent) {
  Conversation conversation = conversation_of({"hi", " axyb "});
  conversation.weights[1].spans = {{0, 3, 0}, {3, 6, 1}};
  // The token over the border belongs to the part in which it ends.
  EXPECT_EQ(shown(conversation), Shown{"<u>hi<e><a> a⟦xyb <e>⟧"});
  const std::string trims =
      "{% for m in messages %}{{ '<a>' if m['role'] == 'assistant' else '<u>' }}"
      "{{ m['content'] | trim }}<e>{% endfor %}{% if add_generation_prompt %}<a>{% endif %}";
  EXPECT_EQ(shown(conversation, {}, trims), Shown{"<u>hi<e><a>a⟦xyb<e>⟧"});
  EXPECT_EQ(shown(conversation, {.train_on = "all"}), Shown{"⟦<u>hi<e><a>⟧ a⟦xyb <e>⟧"});
  conversation.weights[1].spans[1].weight = 0.5F;
  EXPECT_EQ(masked(conversation).rows[0].weights,
            (std::vector<float>{1, 1, 1, 1, 1, 1, 1, 0.5F, 0.5F, 0.5F, 1}));
}

TEST_F(ChatMask, DividesAContentThatTheStopTokenSpellsToo) {
  Conversation conversation = conversation_of({"hi", "e."});
  conversation.weights[1].spans = {{0, 1, 0}, {1, 2, 1}};
  EXPECT_EQ(shown(conversation), Shown{"<u>hi<e><a>e⟦.<e>⟧"});
  EXPECT_EQ(shown(conversation, {.train_on_eos = false}), Shown{"<u>hi<e><a>e⟦.⟧<e>"});
}

TEST_F(ChatMask, DividesContentsInEveryKindOfRow) {
  Conversation conversation = conversation_of({"hi", "yo", "ok", "so"});
  conversation.weights[1].spans = {{0, 1, 0}, {1, 2, 1}};
  conversation.weights[3].spans = {{0, 1, 1}, {1, 2, 0}};
  // One example per answer, as earlier ones are rewritten.
  const std::string rewrites =
      "{% for m in messages %}{{ '<a>' if m['role'] == 'assistant' else '<u>' }}"
      "{{ m['content'] if loop.last or m['role'] == 'user' else '-' }}<e>{% endfor %}"
      "{% if add_generation_prompt %}<a>{% endif %}";
  EXPECT_EQ(shown(conversation, {}, rewrites),
            (Shown{"<u>hi<e><a>y⟦o<e>⟧", "<u>hi<e><a>-<e><u>ok<e><a>⟦s⟧o⟦<e>⟧"}));
  // A token over the border of the prompt.
  const std::string merges =
      "{% for m in messages %}{{ 'A:x' if m['role'] == 'assistant' else 'U:' }}{{ m['content'] }}"
      "<e>{% endfor %}{% if add_generation_prompt %}A:x{% endif %}";
  EXPECT_EQ(shown(conversation, {}, merges), Shown{"U:hi<e>A:xy⟦o<e>⟧U:ok<e>A:x⟦s⟧o⟦<e>⟧"});
  conversation.messages[3]["content"] = "<e>o";
  conversation.weights[3].spans = {{0, 3, 1}, {3, 4, 0}};
  EXPECT_EQ(shown(conversation, {.special_in_text = "plain"}),
            Shown{"<u>hi<e><a>y⟦o<e>⟧<u>ok<e><a>⟦<e>⟧o⟦<e>⟧"});
}

TEST_F(ChatMask, DividesNoContentThatTheTemplateWritesOtherwise) {
  Conversation conversation = conversation_of({"hi", "yo"});
  conversation.weights[1].spans = {{0, 1, 0}, {1, 2, 1}};
  const std::string reason =
      "d.jsonl:3: messages[1]: its parts have weights, and the chat template does not write its "
      "content once and as it is, so they cannot be told apart; weigh the whole message";
  for (const char* said : {"{{ m['content'] | upper }}", "{{ m['content'] + m['content'] }}"}) {
    const std::string source =
        "{% for m in messages %}{{ '<a>' if m['role'] == 'assistant' else '<u>' }}" +
        std::string(said) + "<e>{% endfor %}{% if add_generation_prompt %}<a>{% endif %}";
    EXPECT_EQ(error_text<DataError>([&] { masked(conversation, {}, source); }), reason);
  }
}

TEST_F(ChatMask, MasksThePromptOfACompletion) {
  Conversation conversation = conversation_of({"hi", "yo", "ok", "so"});
  conversation.prompt_messages = 3;
  EXPECT_EQ(shown(conversation), Shown{"<u>hi<e><a>yo<e><u>ok<e><a>⟦so<e>⟧"});
}

TEST_F(ChatMask, MasksWhatTheTemplatePrintsBehindTheStopToken) {
  const std::string source =
      "{% for m in messages %}{{ '<a>' if m['role'] == 'assistant' else '<u>' }}{{ m['content'] }}"
      "<e>{{ '\\n' }}{% endfor %}{% if add_generation_prompt %}<a>{% endif %}";
  EXPECT_EQ(shown(conversation_of({"hi", "yo"}), {}, source), Shown{"<u>hi<e>\n<a>⟦yo<e>⟧\n"});
}

TEST_F(ChatMask, FindsTheStopTokenBehindOneInTheAnswer) {
  EXPECT_EQ(shown(conversation_of({"hi", "a<e>b"})), Shown{"<u>hi<e><a>⟦a<e>b<e>⟧"});
}

TEST_F(ChatMask, AnAnswerWithoutAStopTokenRunsToItsEnd) {
  const std::string source =
      "{% for m in messages %}{{ '<a>' if m['role'] == 'assistant' else '<u>' }}{{ m['content'] }}"
      "{% endfor %}{% if add_generation_prompt %}<a>{% endif %}";
  const MaskedConversation result = masked(conversation_of({"hi", "yo"}), {}, source);
  EXPECT_EQ(marked(result.rows[0], tokenizer_), "<u>hi<a>⟦yo⟧");
  EXPECT_EQ(result.rows[0].stop, -1);
}

TEST_F(ChatMask, FallsBackToOffsetsWhereTokensMergeOverTheBorder) {
  const std::string source =
      "{% for m in messages %}{{ 'A:x' if m['role'] == 'assistant' else 'U:' }}{{ m['content'] }}"
      "<e>{% endfor %}{% if add_generation_prompt %}A:x{% endif %}";
  const MaskedConversation result = masked(conversation_of({"hi", "yo"}), {}, source);
  EXPECT_EQ(marked(result.rows[0], tokenizer_), "U:hi<e>A:⟦xyo<e>⟧");
  EXPECT_EQ(result.border, Border::kOffsets);
  EXPECT_EQ(result.rows[0].stop, 9);
}

TEST_F(ChatMask, FallsBackToOneExamplePerAnswerWhereHistoryIsRewritten) {
  const std::string source =
      "{% for m in messages %}{{ '<a>' if m['role'] == 'assistant' else '<u>' }}"
      "{{ m['content'] if loop.last else m['content'].split('#')[-1] }}<e>"
      "{% endfor %}{% if add_generation_prompt %}<a>{% endif %}";
  const Conversation conversation = conversation_of({"hi", "t#yo", "ok", "t#so"});
  EXPECT_EQ(masked(conversation, {}, source).border, Border::kPerTurn);
  EXPECT_EQ(shown(conversation, {}, source),
            (Shown{"<u>hi<e><a>⟦t#yo<e>⟧", "<u>hi<e><a>yo<e><u>ok<e><a>⟦t#so<e>⟧"}));
  EXPECT_EQ(shown(conversation, {.train_on = "last_assistant"}, source),
            Shown{"<u>hi<e><a>yo<e><u>ok<e><a>⟦t#so<e>⟧"});
}

TEST_F(ChatMask, RefusesWhenAnAnswerChangesItsPrompt) {
  const std::string source =
      "{{ messages | length }}{% for m in messages %}"
      "{{ '<a>' if m['role'] == 'assistant' else '<u>' }}{{ m['content'] }}<e>"
      "{% endfor %}{% if add_generation_prompt %}<a>{% endif %}";
  EXPECT_EQ(error_text<DataError>([&] {
              masked(conversation_of({"hi", "yo"}), {}, source);
            }),
            "d.jsonl:3: messages[1]: its answer cannot be told from what stands before: token 0 is "
            "\"1\" (49) in the prompt and \"2\" (50) in the conversation; use another "
            "data.chat_template, or set data.train_on to \"all\"");
}

TEST_F(ChatMask, NamesTheRowThatTheTemplateRefuses) {
  const std::string text = error_text<DataError>([&] {
    masked(conversation_of({"hi", "yo"}), {}, "{{ raise_exception('No users.') }}");
  });
  EXPECT_TRUE(text.starts_with("d.jsonl:3: the chat template refuses this conversation: ")) << text;
  EXPECT_NE(text.find("No users."), std::string::npos) << text;
}

/// Calls end in a token of their own, "<u>".
constexpr const char* kCalls =
    "{% for m in messages %}{{ '<a>' if m.role == 'assistant' else 't:' if m.role == 'tool' }}"
    "{{ m.content }}{% for call in m.tool_calls or [] %}{{ call.function.name ~ '()' }}{% endfor %}"
    "{{ '<u>' if m.tool_calls else '<e>' }}{% endfor %}{% if add_generation_prompt %}<a>{% endif "
    "%}";

TEST_F(ChatMask, TrainsCallsOfToolsAndNotTheirResults) {
  Conversation conversation = conversation_of({"hi", "", "", "so"});
  conversation.messages[1]["tool_calls"] = {{{"function", {{"name", "f"}}}}};
  conversation.messages[2] = {{"role", "tool"}, {"content", "42"}};
  const MaskedConversation result = masked(conversation, {}, kCalls);
  EXPECT_EQ(marked(result.rows[0], tokenizer_), "hi<e><a>⟦f()<u>⟧t:42<e><a>⟦so<e>⟧");
  EXPECT_EQ(result.border, Border::kIds);
}

TEST_F(ChatMask, KnowsTheTokenThatEndsACall) {
  const ChatTemplate chat_template(kCalls, tokenizer_.special());
  EXPECT_EQ(stop_set({tokenizer_, &chat_template, {2}}), (std::vector<int32_t>{2, 5, 3}));
}

TEST_F(ChatMask, TakesNoBracketOfACallForItsEnd) {
  const std::string source =
      "{% for m in messages %}{{ m.content }}{{ 'f<u>' if m.tool_calls }}<e>{% endfor %}";
  const ChatTemplate chat_template(source, tokenizer_.special());
  EXPECT_EQ(stop_set({tokenizer_, &chat_template, {2}}), (std::vector<int32_t>{2, 5}));
}

TEST_F(ChatMask, KnowsTheTokenThatEndsATurn) {
  const ChatTemplate chat_template(kTurns, tokenizer_.special());
  EXPECT_EQ(stop_set({tokenizer_, &chat_template, {2}}), (std::vector<int32_t>{2, 5}));
  EXPECT_EQ(stop_set({tokenizer_, nullptr, {2}}), (std::vector<int32_t>{2}));
}

}  // namespace
}  // namespace peft
