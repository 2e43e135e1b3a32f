#include "peft/data/row_mapping.h"

#include <gtest/gtest.h>

#include "data/error_text.h"
#include "peft/data/conversation.h"
#include "peft/util/text.h"

namespace peft {
namespace {

RowMapping mapping_of(const std::string& row, const DataOptions& options = {}) {
  return detect_mapping(Json::parse(row), options, "d.jsonl:1");
}

std::string decision_of(const std::string& row, const DataOptions& options = {}) {
  return mapping_of(row, options).decision;
}

Conversation conversation_of(const std::string& row, const DataOptions& options = {},
                             bool knows_tools = true) {
  return read_conversation(Json::parse(row), mapping_of(row, options), knows_tools, "d.jsonl:7");
}

std::string messages_of(const std::string& row, const DataOptions& options = {},
                        bool knows_tools = true) {
  return conversation_of(row, options, knows_tools).messages.dump();
}

template <class E = DataError>
std::string fault_of(const std::string& row, const DataOptions& options = {}) {
  return error_text<E>([&] { conversation_of(row, options); });
}

std::vector<float> weights_of(const Conversation& conversation) {
  std::vector<float> weights;
  for (const MessageWeight& weight : conversation.weights) {
    weights.push_back(weight.whole);
  }
  return weights;
}

/// "0-2: 1, 2-4: 0.5"
std::string spans_of(const MessageWeight& weight) {
  std::vector<std::string> spans;
  for (const WeightedSpan& span : weight.spans) {
    spans.push_back(fmt::format("{}-{}: {}", span.begin, span.end, span.weight));
  }
  return join(spans, ", ");
}

TEST(RowMapping, SaysWhatItTookARowFor) {
  EXPECT_EQ(decision_of(R"({"input_ids": [1]})"), R"(tokens, from the key "input_ids")");
  EXPECT_EQ(decision_of(R"({"messages": []})"), R"(chat, from the key "messages")");
  EXPECT_EQ(
      decision_of(R"({"conversations": [{"from": "human", "value": "a"}]})"),
      R"(chat, from the key "conversations" as messages ("from" as role, "value" as content))");
  EXPECT_EQ(decision_of(R"({"prompt": "a", "completion": "b"})"),
            R"(pair, from the keys "prompt", "completion")");
  EXPECT_EQ(decision_of(R"({"question": "a", "answer": "b"})"),
            R"(pair, from the keys "question" as prompt, "answer" as completion)");
  EXPECT_EQ(decision_of(R"({"text": "a", "id": 3})"), R"(text, from the key "text")");
}

TEST(RowMapping, AFlattenedTextColumnDoesNotWin) {
  EXPECT_EQ(mapping_of(R"({"instruction": "a", "input": "", "output": "b", "text": "ab"})").shape,
            RowShape::kInstruct);
}

TEST(RowMapping, NamesTheRunnerUp) {
  EXPECT_EQ(decision_of(R"({"question": "a", "answer": "b", "text": "c"})"),
            R"(pair, from the keys "question" as prompt, "answer" as completion; it could also be )"
            R"(read as text (--set data.format=text))");
}

TEST(RowMapping, FollowsTheFormatThatIsAskedFor) {
  const std::string row = R"({"prompt": "a", "completion": "b", "text": "c"})";
  EXPECT_EQ(decision_of(row, {.format = "text"}), R"(text, as asked, with the key "text")");
  EXPECT_EQ(mapping_of(row, {.format = "chat"}).shape, RowShape::kChat);
  EXPECT_EQ(messages_of(row, {.format = "chat"}),
            R"([{"role":"user","content":"a"},{"role":"assistant","content":"b"}])");
  EXPECT_EQ(fault_of(row, {.format = "tokens"}),
            "d.jsonl:1: data.format \"tokens\" does not fit the keys of this row; its keys are "
            "\"prompt\", \"completion\", \"text\"; name them with data.columns");
}

TEST(RowMapping, MapsColumnsAsAsked) {
  const DataOptions options{.columns = Json::parse(R"({"prompt": "Q", "completion": "A"})")};
  EXPECT_EQ(decision_of(R"({"Q": "a", "A": "b"})", options),
            R"(pair, from the keys "Q" as prompt, "A" as completion)");
}

TEST(RowMapping, SuggestsAnotherLetterCaseAndDoesNotTakeIt) {
  EXPECT_EQ(
      fault_of(R"({"Messages": []})"),
      "d.jsonl:1: no known shape fits the keys of this row; its keys are \"Messages\"; did you "
      "mean \"messages\"? (found \"Messages\"); name them with data.columns");
}

TEST(RowMapping, RefusesTwoShapesAtOnce) {
  EXPECT_EQ(
      fault_of(R"({"messages": [], "prompt": "a", "completion": "b"})"),
      "d.jsonl:1: \"messages\" stands beside \"prompt\" and \"completion\"; say which is meant: "
      "--set data.format=chat or --set data.format=pair");
  EXPECT_EQ(fault_of(R"({"messages": [], "conversations": []})"),
            "d.jsonl:1: \"messages\" stands beside \"conversations\"; say which is meant: --set "
            "data.columns={\"messages\": \"messages\"}");
}

TEST(RowMapping, RefusesPreferenceRows) {
  EXPECT_EQ(fault_of(R"({"prompt": "a", "chosen": "b", "rejected": "c"})"),
            "d.jsonl:1: \"chosen\" and \"rejected\" are preference rows, which need a preference "
            "objective; to train on the chosen answers alone, write them as prompt and completion");
  EXPECT_EQ(
      fault_of(R"({"prompt": "a", "completion": "b", "label": true})"),
      "d.jsonl:1: \"prompt\", \"completion\" and a boolean \"label\" are KTO rows, which need a "
      "preference objective; to train on the completions, set data.format to \"pair\"");
}

TEST(RowMapping, RefusesOptionsThatMakeNoSense) {
  EXPECT_EQ(fault_of<UsageError>("{}", {.format = "chta"}),
            "data.format: expected one of auto, text, pair, instruct, chat, segments, "
            "classification, tokens, found \"chta\"; "
            "did you mean \"chat\"?");
  EXPECT_EQ(fault_of<UsageError>("{}", {.columns = Json::parse(R"({"promt": "a"})")}),
            "data.columns: unknown column \"promt\"; did you mean \"prompt\"?");
  EXPECT_EQ(fault_of<UsageError>("{}", {.columns = Json::parse(R"({"prompt": 3})")}),
            "data.columns.prompt: expected the file's name of it, found 3");
  EXPECT_EQ(fault_of<UsageError>(R"({"text": ""})",
                                 {.columns = Json::parse(R"({"roles": {"bot": "robot"}})")}),
            "data.columns.roles.bot: expected system, user, assistant or tool, found \"robot\"");
}

TEST(Conversation, MapsTheWordsOfShareGpt) {
  EXPECT_EQ(messages_of(R"({"conversations": [{"from": "system", "value": "s"},
      {"from": "human", "value": "a"}, {"from": "gpt", "value": "b"},
      {"from": "observation", "value": "o"}]})"),
            R"([{"role":"system","content":"s"},{"role":"user","content":"a"},)"
            R"({"role":"assistant","content":"b"},{"role":"tool","content":"o"}])");
}

TEST(Conversation, AFunctionCallIsAToolCallIfTheTemplateKnowsThem) {
  const std::string row = R"({"conversations": [{"from": "function_call",
      "value": "{\"name\": \"f\", \"arguments\": {\"x\": 1}}"}], "tools": "[{\"name\": \"f\"}]"})";
  EXPECT_EQ(messages_of(row),
            R"([{"role":"assistant","content":"","tool_calls":[{"type":"function",)"
            R"("function":{"name":"f","arguments":{"x":1}}}]}])");
  EXPECT_EQ(messages_of(row, {}, /*knows_tools=*/false),
            R"([{"role":"assistant","content":"{\"name\": \"f\", \"arguments\": {\"x\": 1}}"}])");
  EXPECT_EQ(conversation_of(row).tools.dump(), R"([{"name":"f"}])");
}

TEST(Conversation, APairOfHumanAndAssistantMayWeighItsAnswer) {
  EXPECT_EQ(weights_of(conversation_of(R"({"conversation": [
      {"human": "a", "assistant": "b", "loss": false},
      {"human": "c", "assistant": "d", "weight": 0.5}]})")),
            (std::vector<float>{1, 0, 1, 0.5F}));
}

TEST(Conversation, ReadsPairsOfHumanAndAssistant) {
  EXPECT_EQ(messages_of(R"({"conversation": [{"human": "a", "assistant": "b"}]})"),
            R"([{"role":"user","content":"a"},{"role":"assistant","content":"b"}])");
}

TEST(Conversation, JoinsTextPartsAndKeepsOtherKeys) {
  EXPECT_EQ(messages_of(R"({"messages": [{"role": "user", "name": "Ann", "content":
      [{"type": "text", "text": "a"}, {"type": "text", "value": "b"}]}]})"),
            R"([{"role":"user","content":"ab","name":"Ann"}])");
}

TEST(Conversation, ReadsEveryKindOfWeight) {
  const Conversation conversation = conversation_of(R"({"messages": [
      {"role": "user", "content": "a", "loss_weight": 0.0},
      {"role": "assistant", "content": "b", "train": true},
      {"role": "assistant", "content": "c", "weight": 0},
      {"role": "assistant", "content": "d", "loss": null},
      {"role": "assistant", "content": "e", "loss_scale": 1, "train": false},
      {"role": "assistant", "content": "f", "loss_scale": 0.5, "train": true}]})");
  EXPECT_EQ(weights_of(conversation), (std::vector<float>{0, 1, 0, 1, 0, 0.5F}));
  EXPECT_EQ(conversation.messages[0].dump(), R"({"role":"user","content":"a"})");
}

TEST(Conversation, ReadsTheWeightThatTheOptionsName) {
  const Conversation conversation =
      conversation_of(R"({"messages": [
      {"role": "user", "content": "a", "train": false, "w": 2},
      {"role": "assistant", "content": "b", "keep": [
        {"begin_offset": 0, "end_offset": 0, "train": true}]}]})",
                      {.columns = {{"weight", "w"}, {"train_detail", "keep"}}});
  EXPECT_EQ(weights_of(conversation), (std::vector<float>{2, 1}));
  EXPECT_EQ(conversation.messages[0].dump(), R"({"role":"user","content":"a","train":false})");
  EXPECT_EQ(spans_of(conversation.weights[1]), "0-1: 1");
}

TEST(Conversation, DividesAContentByCharacters) {
  const Conversation conversation = conversation_of(R"({"messages": [
      {"role": "assistant", "content": "Grüße, ja", "train_detail": [
        {"begin_offset": 1, "end_offset": 4, "train": true},
        {"begin_offset": 7, "end_offset": 7, "train": 0.5}]},
      {"role": "assistant", "content": [{"type": "text", "text": "é "}, {"type": "text",
        "text": "so", "weight": 0.25}]},
      {"role": "assistant", "content": [{"type": "text", "text": "a", "train": true}]}]})");
  EXPECT_EQ(spans_of(conversation.weights[0]), "0-1: 0, 1-5: 1, 5-7: 0, 7-8: 0.5, 8-9: 0");
  EXPECT_EQ(spans_of(conversation.weights[1]), "0-2: 1, 2-4: 0.25");
  EXPECT_EQ(spans_of(conversation.weights[2]), "");
  EXPECT_EQ(conversation.messages[0].dump(), R"({"role":"assistant","content":"Grüße, ja"})");
}

TEST(Conversation, AContentOfWhichNothingCountsMasksItsMessage) {
  const Conversation conversation = conversation_of(R"({"messages": [
      {"role": "assistant", "content": "ab", "train_detail": []},
      {"role": "assistant", "content": [{"type": "text", "text": "a", "train": false}]},
      {"role": "assistant", "content": "ab", "weight": 0,
       "train_detail": [{"begin_offset": 0, "end_offset": 0, "train": true}]},
      {"role": "assistant", "content": [{"type": "text", "text": " ", "weight": 0.5}]}]})");
  EXPECT_EQ(weights_of(conversation), (std::vector<float>{0, 0, 0, 1}));
  for (const MessageWeight& weight : conversation.weights) {
    EXPECT_TRUE(weight.spans.empty());
  }
}

TEST(Conversation, NamesTheWeightThatIsWrong) {
  const auto fault = [](const std::string& keys) {
    return fault_of(R"({"messages": [{"role": "assistant", "content": "abc", )" + keys + "}]}");
  };
  EXPECT_EQ(
      fault(R"("weight": -0.5)"),
      "d.jsonl:7: messages[0].weight: expected true, false or a number from 0 to 1000, found -0.5");
  EXPECT_EQ(
      fault(R"("loss": "no")"),
      "d.jsonl:7: messages[0].loss: expected true, false or a number from 0 to 1000, found \"no\"");
  EXPECT_EQ(fault(R"("weight": 1e300)"),
            "d.jsonl:7: messages[0].weight: expected true, false or a number from 0 to 1000, found "
            "1e+300");
  const std::string place = "d.jsonl:7: messages[0].train_detail";
  EXPECT_EQ(fault(R"("train_detail": true)"),
            place +
                ": expected a list of {\"begin_offset\", \"end_offset\", \"train\"}, found "
                "true");
  EXPECT_EQ(fault(R"("train_detail": [{"begin_offset": 0, "end_offset": 1}])"),
            place +
                "[0]: expected {\"begin_offset\", \"end_offset\", \"train\"}, found "
                "{\"begin_offset\":0,\"end_offset\":1}");
  EXPECT_EQ(fault(R"("train_detail": [{"begin_offset": 0, "end_offset": 3, "train": true}])"),
            place + "[0].end_offset: expected a character's place from 0 to 2, found 3");
  EXPECT_EQ(fault(R"("train_detail": [{"begin_offset": 1, "end_offset": 1, "train": true},
                                      {"begin_offset": 1, "end_offset": 2, "train": false}])"),
            place + "[1].begin_offset: expected a character's place from 2 to 2, found 1");
  EXPECT_EQ(fault_of(R"({"messages": [{"role": "assistant", "content": "", "train_detail":
                [{"begin_offset": 0, "end_offset": 0, "train": true}]}]})"),
            place + ": the content is empty, so it has no parts");
  EXPECT_EQ(fault_of(R"({"messages": [{"role": "assistant", "train_detail": [],
                "content": [{"type": "text", "text": "a", "train": false}]}]})"),
            place + ": the parts of content have weights of their own; keep one");
}

TEST(Conversation, PromptAndCompletionMayBeMessages) {
  const Conversation conversation =
      conversation_of(R"({"prompt": [{"role": "user", "content": "a"}],
      "completion": [{"role": "assistant", "content": "b"}]})");
  EXPECT_EQ(conversation.prompt_messages, 1u);
  EXPECT_EQ(conversation.messages.size(), 2u);
}

TEST(RowMapping, NamesMessagesThatAreNoList) {
  EXPECT_EQ(fault_of(R"({"messages": "hello"})"),
            "d.jsonl:1: messages: expected a list of messages, found \"hello\"");
}

TEST(Conversation, NamesTheMessageThatIsWrong) {
  EXPECT_EQ(
      fault_of(R"({"messages": [{"role": "bot", "content": "a"}]})"),
      "d.jsonl:7: messages[0].role: expected system, user, assistant or tool, found \"bot\"; map "
      "it with data.columns.roles");
  EXPECT_EQ(
      fault_of(R"({"messages": [{"role": "user"}]})"),
      "d.jsonl:7: messages[0].content: expected a string or a list of text parts, found null");
  EXPECT_EQ(
      fault_of(R"({"messages": [{"role": "user", "content": [{"type": "image"}]}]})"),
      "d.jsonl:7: messages[0].content[0]: expected {\"type\": \"text\", \"text\": ...}, found "
      "{\"type\":\"image\"}");
  EXPECT_EQ(fault_of(R"({"messages": []})"), "d.jsonl:7: the conversation has no messages");
}

TEST(Conversation, TakesMappedRoles) {
  const DataOptions options{.columns = Json::parse(R"({"roles": {"bot": "assistant"}})")};
  EXPECT_EQ(messages_of(R"({"messages": [{"role": "bot", "content": "a"}]})", options),
            R"([{"role":"assistant","content":"a"}])");
}

TEST(Conversation, AnInstructionIsAConversation) {
  EXPECT_EQ(messages_of(R"({"instruction": "Add.", "input": "1, 2", "output": "3", "system": "s",
      "history": [["Hi", "Ho"]]})",
                        {.format = "chat"}),
            R"([{"role":"system","content":"s"},{"role":"user","content":"Hi"},)"
            R"({"role":"assistant","content":"Ho"},{"role":"user","content":"Add.\n1, 2"},)"
            R"({"role":"assistant","content":"3"}])");
}

TEST(Conversation, AnInstructionIsTextUnderHeadings) {
  const Json row = Json::parse(R"({"instruction": "Add.", "input": "1, 2", "output": "3"})");
  const PromptCompletion text =
      instruct_text(row, detect_mapping(row, {}, "d.jsonl:1"), "d.jsonl:1");
  EXPECT_EQ(text.prompt, "### Instruction:\nAdd.\n\n### Input:\n1, 2\n\n### Response:\n");
  EXPECT_EQ(text.completion, "3");
}

TEST(Conversation, ARowThatDiffersFromTheFirstNamesItsLine) {
  const RowMapping mapping = mapping_of(R"({"prompt": "a", "completion": "b"})");
  EXPECT_EQ(error_text<DataError>([&] {
              text_column(Json::parse(R"({"prompt": "a"})"), mapping, "completion", "d.jsonl:9");
            }),
            "d.jsonl:9: expected the key \"completion\" as in the first row, found \"prompt\"");
}

}  // namespace
}  // namespace peft
