#include "peft/data/dataset.h"

#include <gtest/gtest.h>

#include "data/dataset_case.h"

namespace peft {
namespace {

std::string chat_row(const std::string& question, const std::string& answer) {
  return fmt::format(
      "{{\"messages\": [{{\"role\": \"user\", \"content\": \"{}\"}}, "
      "{{\"role\": \"assistant\", \"content\": \"{}\"}}]}}\n",
      question, answer);
}

std::string repeated(const std::string& text, int count) {
  std::string all;
  for (int i = 0; i < count; ++i) {
    all += text;
  }
  return all;
}

TEST_F(DatasetTest, TextIsTrainedWholeExceptItsBos) {
  EXPECT_EQ(shown(load(R"({"text": "ab"})")), Shown{"[s]⟦ab⟧"});
}

TEST_F(DatasetTest, ADoubledBosIsTakenAwayAndSaid) {
  const Dataset dataset = load(R"({"text": "[s]ab"})");
  EXPECT_EQ(shown(dataset), Shown{"[s]⟦ab⟧"});
  EXPECT_EQ(bare(dataset.report.notes.back()),
            "rows that begin with a BOS of their own, of which one was kept: all 1");
}

TEST_F(DatasetTest, APairTrainsTheCompletionAndAnEos) {
  const std::string row = R"({"prompt": "q: ", "completion": "a"})";
  EXPECT_EQ(shown(load(row)), Shown{"[s]q: ⟦a[/s]⟧"});
  EXPECT_EQ(shown(load(row, {.train_on = "all"})), Shown{"[s]⟦q: a[/s]⟧"});
  EXPECT_EQ(shown(load(row, {.train_on_eos = false})), Shown{"[s]q: ⟦a⟧[/s]"});
}

TEST_F(DatasetTest, ATokenOverTheBorderBelongsToTheCompletion) {
  EXPECT_EQ(shown(load(R"({"prompt": "ax", "completion": "y"})")), Shown{"[s]a⟦xy[/s]⟧"});
}

TEST_F(DatasetTest, AnEosThatIsThereIsNotDoubled) {
  EXPECT_EQ(shown(load(R"({"prompt": "q ", "completion": "a[/s]"})")), Shown{"[s]q ⟦a[/s]⟧"});
}

TEST_F(DatasetTest, SaysThatHalvesOfAPairAreGlued) {
  EXPECT_EQ(bare(load(R"({"prompt": "q?", "completion": "a"})").report.notes.back()),
            "rows without white space between prompt and completion, which are joined as they "
            "are (--set data.format=chat uses the chat template): all 1");
}

TEST_F(DatasetTest, AnInstructionUsesTheTemplateIfThereIsOne) {
  const std::string row = R"({"instruction": "do", "output": "it"})";
  EXPECT_EQ(shown(load_chat(row)), Shown{"<u>do<e><a>⟦it<e>⟧"});
  EXPECT_EQ(shown(load(row)), Shown{"[s]### Instruction:\ndo\n\n### Response:\n⟦it[/s]⟧"});
}

TEST_F(DatasetTest, TokensAreTakenAsTheyAre) {
  const Dataset dataset =
      load("{\"input_ids\": [97, 98, 99]}\n{\"input_ids\": [97, 98], \"labels\": [-100, 98]}\n");
  EXPECT_EQ(shown(dataset), (Shown{"⟦abc⟧", "a⟦b⟧"}));
  EXPECT_EQ(dataset.report.scored_tokens, 3);
}

TEST_F(DatasetTest, TellsOfLabelsThatAreOtherTokens) {
  const Dataset dataset = load(
      "{\"input_ids\": [97, 98], \"labels\": [-100, 98]}\n"
      "{\"input_ids\": [97, 98], \"labels\": [98, -100]}\n{\"input_ids\": [97, 98, 99], "
      "\"labels\": [98, 99, 2]}\n",
      {.refuses = false});
  EXPECT_EQ(dataset.report.other_labels, 2);
}

TEST_F(DatasetTest, TellsOfCallsThatTheTemplateDoesNotWrite) {
  const std::string row =
      R"({"messages": [{"role": "user", "content": "do"}, {"role": "assistant", "content": null,)"
      R"( "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": {}}}]}]})";
  EXPECT_EQ(load_chat(row).report.calls_ignored, 1);
}

TEST_F(DatasetTest, RefusesTokensThatCannotBe) {
  EXPECT_EQ(fault(R"({"input_ids": [1, 128]})"),
            "d.jsonl:1: input_ids[1]: expected a token id from 0 to 127, found 128");
  EXPECT_EQ(fault(R"({"input_ids": [1, 2], "labels": [-1, 2]})"),
            "d.jsonl:1: labels[0]: expected a token id from 0 to 127 or -100, found -1");
  EXPECT_EQ(fault(R"({"input_ids": [1, 2], "labels": [1]})"),
            "d.jsonl:1: labels: expected 2, one for each of input_ids, found 1");
  EXPECT_EQ(fault(R"({"input_ids": []})"),
            "d.jsonl:1: input_ids: expected a list of token ids, found []");
}

TEST_F(DatasetTest, KeepsThePlaceOfEachExample) {
  const Dataset dataset = load("{\"text\": \"ab\"}\n\n{\"text\": \"cd\"}\n");
  EXPECT_EQ(dataset.examples[1].row, 1);
  EXPECT_EQ(dataset.examples[1].line, 3);
  EXPECT_EQ(dataset.examples[1].file, 0);
}

TEST_F(DatasetTest, KnowsWhereGenerationStartsAndWhatItShouldSay) {
  const Dataset dataset = load_chat(chat_row("hi", "yo"));
  EXPECT_EQ(dataset.examples[0].prompt_length, 5);  // <u> h i <e> <a>
  EXPECT_EQ(reference_answer(dataset.examples[0], chat_pipeline()), "yo");
}

TEST_F(DatasetTest, KnowsAnAnswerOfWhichPartsAreMasked) {
  const std::string row =
      R"({"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content":)"
      R"( [{"type": "text", "text": "ab"}, {"type": "text", "text": "cd", "train": false}]}]})";
  const Dataset dataset = load_chat(row);
  EXPECT_EQ(shown(dataset), Shown{"<u>hi<e><a>⟦ab⟧cd⟦<e>⟧"});
  EXPECT_EQ(dataset.examples[0].prompt_length, 5);
  EXPECT_EQ(reference_answer(dataset.examples[0], chat_pipeline()), "abcd");
}

TEST_F(DatasetTest, WalksAllExamplesAndGivesTheirMemoryBack) {
  Dataset dataset = load("{\"text\": \"ab\"}\n{\"text\": \"c\"}\n");
  int given_back = 0;
  dataset.give_back = [&] { ++given_back; };
  std::vector<int64_t> rows;
  dataset.walk([&](const Example& example) { rows.push_back(example.row); });
  EXPECT_EQ(rows, (std::vector<int64_t>{0, 1}));
  EXPECT_EQ(given_back, 1);
}

TEST_F(DatasetTest, RefusesANameOfWeightsThatNoMessageHas) {
  EXPECT_EQ(chat_fault(chat_row("hi", "yo"), {.columns = {{"weight", "wieght"}}}),
            "data.columns.weight: no message of d.jsonl has \"wieght\"");
  EXPECT_EQ(chat_fault(chat_row("hi", "yo"), {.columns = {{"train_detail", "parts"}}}),
            "data.columns.train_detail: no message of d.jsonl has \"parts\"");
  put_file(folder_ / "held.jsonl", chat_row("hi", "yo"));
  DataSource held_out{folder_ / "held.jsonl"};
  held_out.held_out = true;
  const DataOptions named{.columns = {{"weight", "w"}}};
  EXPECT_EQ(load_dataset({held_out}, named, chat_pipeline()).examples.size(), 1u);
  const std::string deep = R"({"messages": [{"role": "user", "content": "hi"},)"
                           R"( {"role": "assistant", "content": "yo", "meta": {"w": 0.5}}]})";
  EXPECT_EQ(load_chat(deep, {.columns = {{"weight", "meta.w"}}}).examples[0].weights.back(), 0.5F);
}

TEST_F(DatasetTest, CutsLongRowsAndSaysHowMuchIsLost) {
  const Dataset dataset = load("{\"text\": \"abcdefg\"}\n{\"text\": \"a\"}\n", {.max_length = 4});
  EXPECT_EQ(shown(dataset), (Shown{"[s]⟦abc⟧", "[s]⟦a⟧"}));
  EXPECT_EQ(dataset.report.truncated, 1);
  EXPECT_EQ(dataset.report.longest, 8);
  EXPECT_EQ(bare(dataset.report.notes[0]), "rows cut at 4 tokens: 1 (d.jsonl:1)");
  EXPECT_EQ(dataset.report.notes[1], "tokens lost that way: 4, 40.0 % of all");
}

TEST_F(DatasetTest, CutsWeightsWithTheirTokens) {
  const std::string row = R"({"messages": [{"role": "user", "content": "do"},)"
                          R"( {"role": "assistant", "content": "it", "weight": 0.5}]})";
  const Dataset dataset = load_chat(row, {.max_length = 7, .refuses = false});
  EXPECT_EQ(shown(dataset), Shown{"<u>do<e><a>⟦it⟧"});
  EXPECT_EQ(dataset.examples[0].weights, (Weights{1, 1, 1, 1, 1, 0.5F, 0.5F}));
  const std::string late =
      R"({"messages": [{"role": "user", "content": "do"}, {"role": "assistant", "content":)"
      R"( [{"type": "text", "text": "it"}, {"type": "text", "text": "so", "weight": 0.5}]}]})";
  const Dataset alike = load_chat(late, {.max_length = 7, .refuses = false});
  EXPECT_TRUE(alike.examples[0].weights.empty());
}

TEST_F(DatasetTest, DropsLongRows) {
  const Dataset dataset =
      load("{\"text\": \"abcdefg\"}\n{\"text\": \"a\"}\n", {.max_length = 4, .overflow = "drop"});
  EXPECT_EQ(shown(dataset), Shown{"[s]⟦a⟧"});
  EXPECT_EQ(dataset.report.dropped_too_long, 1);
}

TEST_F(DatasetTest, SplitsLongText) {
  EXPECT_EQ(shown(load(R"({"text": "abcdef"})", {.max_length = 4, .overflow = "split"})),
            (Shown{"[s]⟦abc⟧", "⟦def⟧"}));
  EXPECT_EQ(fault<UsageError>(R"({"prompt": "a", "completion": "b"})", {.overflow = "split"}),
            "data.overflow: \"split\" cuts text rows in pieces, and d.jsonl holds pair rows; use "
            "truncate, drop or error");
}

TEST_F(DatasetTest, RefusesLongRowsWhenAsked) {
  EXPECT_EQ(fault(R"({"text": "abcdefg"})", {.max_length = 4, .overflow = "error"}),
            "d.jsonl:1: 8 tokens do not fit data.max_length 4; raise it, or set data.overflow to "
            "\"truncate\" or \"drop\"");
}

TEST_F(DatasetTest, RefusesASetWithTooManyRowsThatTeachNothing) {
  const std::string rows =
      repeated(chat_row("a", "b"), 97) + repeated(chat_row("abcdefgh", "b"), 3);
  EXPECT_EQ(chat_fault(rows, {.max_length = 8}),
            "d.jsonl: 3 of 100 rows (3.0 %) have no supervised token after truncation to 8; raise "
            "data.max_length or set data.overflow to \"drop\"");
}

TEST_F(DatasetTest, DropsFewRowsThatTeachNothingAndListsThem) {
  const Dataset dataset =
      load_chat(repeated(chat_row("a", "b"), 99) + chat_row("abcdefgh", "b"), {.max_length = 8});
  EXPECT_EQ(dataset.examples.size(), 99u);
  EXPECT_EQ(dataset.report.dropped_unscored, 1);
  EXPECT_EQ(bare(dataset.report.notes[2]),
            "rows without a supervised token, dropped: 1 (d.jsonl:100)");
}

TEST_F(DatasetTest, RefusesASetWithNothingToTrainOn) {
  EXPECT_EQ(chat_fault(R"({"messages": [{"role": "user", "content": "a"}]})"),
            "d.jsonl: 1 of 1 rows (100.0 %) have no supervised token; remove d.jsonl:1, or change "
            "data.train_on");
  EXPECT_EQ(fault(R"({"text": "abc"})", {.max_length = 2, .overflow = "drop"}),
            "d.jsonl: nothing to train on: all 1 rows are longer than data.max_length 2");
  EXPECT_EQ(fault(""), "d.jsonl: expected rows, found none");
}

TEST_F(DatasetTest, RefusesAnswersThatDoNotStop) {
  const std::string rows = repeated(chat_row("a", "b"), 9) + chat_row("a", "bcdefghi");
  EXPECT_EQ(
      chat_fault(rows, {.max_length = 8}),
      "d.jsonl: 1 of 10 answers (10.0 %) do not end with a stop token, so the model would not "
      "learn to stop; 1 were cut at 8 tokens: raise data.max_length or set data.overflow to "
      "\"drop\"");
}

TEST_F(DatasetTest, RefusesATemplateWithoutStopTokens) {
  const ChatTemplate no_stop(
      "{% for m in messages %}<u>{{ m['content'] }}{% endfor %}"
      "{% if add_generation_prompt %}<u>{% endif %}",
      tokenizer_.special());
  EXPECT_EQ(
      bare(error_text<DataError>([&] {
        load_dataset({{.path = write("d.jsonl", chat_row("a", "b"))}}, {},
                     {tokenizer_, &no_stop, {2}});
      })),
      "d.jsonl: 1 of 1 answers (100.0 %) do not end with a stop token, so the model would not "
      "learn to stop; the chat template writes none behind an answer: use another "
      "data.chat_template");
}

TEST_F(DatasetTest, ToleratesFewAnswersThatDoNotStop) {
  const Dataset dataset =
      load_chat(repeated(chat_row("a", "b"), 19) + chat_row("a", "bcdefghi"), {.max_length = 8});
  EXPECT_EQ(dataset.report.without_stop, 1);
}

TEST_F(DatasetTest, ReportsATemplateWithoutBos) {
  const Dataset dataset = load_chat(chat_row("a", "b") + chat_row("c", "d"));
  EXPECT_EQ(dataset.report.notes,
            (Shown{"rows without the BOS that the tokenizer adds to text, as the chat template "
                   "writes none: all 2"}));
}

TEST_F(DatasetTest, HashesTheBytesOfItsFiles) {
  EXPECT_EQ(load("{\"text\": \"abc\"}\n").report.sha256,
            "b3b44c015f2cfd9f6727c04576599da0309a65ffc71323b91e87b469177983c2");
}

TEST_F(DatasetTest, ShowsTheFirstPlacesOnly) {
  const Dataset dataset = load(repeated("{\"text\": \"ab\"}\n", 13));
  EXPECT_EQ(bare(dataset.report.notes[0]),
            "exact duplicates of an earlier row: 12 (d.jsonl:2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 2 "
            "more)");
}

TEST_F(DatasetTest, RefusesChatWithoutATemplate) {
  EXPECT_EQ(fault(chat_row("a", "b")),
            "d.jsonl:1: chat rows need a chat template and this model has none; --set "
            "data.chat_template=chatml, or a file");
}

TEST_F(DatasetTest, RefusesARowThatDiffersFromTheFirst) {
  EXPECT_EQ(fault("{\"text\": \"a\"}\n{\"txt\": \"b\"}\n"),
            "d.jsonl:2: expected the key \"text\" as in the first row, found \"txt\"");
  EXPECT_EQ(fault("{\"text\": \"a\"}\n{\"text\": 3}\n"),
            "d.jsonl:2: text: expected a string, found 3");
}

TEST_F(DatasetTest, CountsDuplicatesAndSpecialTokensInText) {
  const Dataset dataset = load("{\"text\": \"ab\"}\n{\"text\": \"a<e>\"}\n{\"text\": \"ab\"}\n");
  EXPECT_EQ(dataset.report.duplicates, 1);
  EXPECT_EQ(dataset.report.special_in_text, 1);
  EXPECT_EQ(bare(dataset.report.notes[0]), "exact duplicates of an earlier row: 1 (d.jsonl:3)");
  EXPECT_EQ(bare(dataset.report.notes[1]),
            "rows with the spelling of a special token in their own text, which becomes that "
            "token: 1 (d.jsonl:2)");
}

TEST_F(DatasetTest, RefusesSpecialTokensInTextWhenAsked) {
  DataOptions options;
  options.special_in_text = "error";
  EXPECT_EQ(fault("{\"text\": \"ab\"}\n{\"text\": \"a<e>\"}\n", options),
            "d.jsonl:2: the row's own text spells a special token, which would become that token; "
            "change the row, or set data.special_in_text to \"parse\" or \"plain\"");
  EXPECT_EQ(load_chat(chat_row("ab", "<b>"), options).examples.size(), 1u);  // the template's pass
}

TEST_F(DatasetTest, MixesFilesWithLimits) {
  const Dataset dataset = load_dataset(
      {{.path = write("a.jsonl", "{\"text\": \"ab\"}\n{\"text\": \"cd\"}\n"), .limit = 1},
       {.path = write("b.json", "[{\"prompt\": \"a \", \"completion\": \"b\"}]"), .weight = 2.0}},
      {}, pipeline());
  EXPECT_EQ(shown(dataset), (Shown{"[s]⟦ab⟧", "[s]a ⟦b[/s]⟧"}));
  EXPECT_EQ(dataset.examples[1].file, 1);
  EXPECT_EQ(dataset.weights, (std::vector<double>{1.0, 2.0}));
  EXPECT_EQ(dataset.report.format, "mixed");
  EXPECT_EQ(bare(dataset.report.decision),
            "text, from the key \"text\"; b.json: pair, from the keys \"prompt\", \"completion\"");
}

TEST_F(DatasetTest, RefusesOptionsThatMakeNoSense) {
  EXPECT_EQ(fault<UsageError>("", {.train_on = "asistant"}),
            "data.train_on: expected one of assistant, last_assistant, completion, all, found "
            "\"asistant\"; did you mean \"assistant\"?");
  EXPECT_EQ(fault<UsageError>("", {.overflow = "cut"}),
            "data.overflow: expected one of truncate, drop, split, error, found \"cut\"");
  EXPECT_EQ(fault<UsageError>("", {.max_length = 0}),
            "data.max_length: expected a positive number, found 0");
}

TEST_F(DatasetTest, NamesAFileThatIsNotThere) {
  EXPECT_EQ(bare(error_text<DataError>(
                [&] { load_dataset({{.path = folder_.path() / "no.jsonl"}}, {}, pipeline()); })),
            "no.jsonl: no such file");
}

TEST_F(DatasetTest, SegmentsAreTokenisedAsTheyAreAndTrainedAsTheySay) {
  const Dataset dataset =
      load(R"({"segments": [{"text": "[s]<u>q", "label": false}, {"text": "ax", "label": true},)"
           R"( {"text": "y<e>", "label": false}, {"text": "b", "label": true}]})");
  EXPECT_EQ(shown(dataset), Shown{"[s]<u>q⟦a⟧xy<e>⟦b⟧"});
  EXPECT_EQ(dataset.report.special_in_text, 0);
}

TEST_F(DatasetTest, NamesASegmentWithoutLabel) {
  EXPECT_EQ(fault(R"({"segments": [{"text": "a"}]})"),
            "d.jsonl:1: segments[0]: expected {\"text\": a string, \"label\": true or false}, "
            "found {\"text\":\"a\"}");
}

TEST_F(DatasetTest, ColumnsMayLieDeeper) {
  const DataOptions options{.columns = {{"prompt", "q.text"}, {"completion", "answers.0"}}};
  EXPECT_EQ(shown(load(R"({"q": {"text": "a "}, "answers": ["b", "c"]})", options)),
            Shown{"[s]a ⟦b[/s]⟧"});
  EXPECT_EQ(
      fault("{\"q\": {\"text\": \"a\"}, \"answers\": [\"b\"]}\n{\"q\": {}, \"answers\": [\"b\"]}",
            options),
      "d.jsonl:2: expected the key \"q.text\" as in the first row, found \"q\", \"answers\"");
}

TEST_F(DatasetTest, ATextFileIsRowsOfText) {
  const auto file = write("d.txt", "ab\ncd\n\nef\n");
  EXPECT_EQ(shown(load_dataset({{.path = file}}, {}, pipeline())),
            (Shown{"[s]⟦ab\ncd⟧", "[s]⟦ef⟧"}));
  EXPECT_EQ(shown(load_dataset({{.path = file}}, {.text_split = "line"}, pipeline())),
            (Shown{"[s]⟦ab⟧", "[s]⟦cd⟧", "[s]⟦ef⟧"}));
}

TEST_F(DatasetTest, ACsvFileHasItsColumnsInTheHeader) {
  const auto file = write("d.csv", "question,answer\nq ,a\n\"q, r \",b\n");
  EXPECT_EQ(shown(load_dataset({{.path = file}}, {}, pipeline())),
            (Shown{"[s]q ⟦a[/s]⟧", "[s]q, r ⟦b[/s]⟧"}));
}

TEST_F(DatasetTest, BadRowsAreAnErrorUnlessSomeAreAllowed) {
  const std::string rows =
      "{\"text\": \"a\"}\n{\"text\": 1}\n{\"text\": \"b\"\n{\"text\": \"c\"}\n";
  EXPECT_EQ(fault(rows), "d.jsonl:2: text: expected a string, found 1");
  const Dataset dataset = load(rows, {.skip_bad = 0.5});
  EXPECT_EQ(shown(dataset), (Shown{"[s]⟦a⟧", "[s]⟦c⟧"}));
  EXPECT_EQ(dataset.report.bad_rows, 2);
  EXPECT_EQ(bare(dataset.report.notes.at(0)), "bad rows, passed over: 2 (d.jsonl:2, 3)");
  EXPECT_EQ(fault(rows, {.skip_bad = 0.4}),
            "2 of 4 rows break their shape, more than data.skip_bad allows (1); the first: "
            "d.jsonl:2: text: expected a string, found 1");
}

TEST_F(DatasetTest, ALimitHoldsForAllFilesOfAPart) {
  write("a.jsonl", "{\"text\": \"a\"}\n{\"text\": \"b\"}\n");
  write("b.jsonl", "{\"text\": \"c\"}\n{\"text\": \"d\"}\n");
  write("c.jsonl", "broken");
  const Dataset dataset = load_dataset({{.path = folder_ / "*.jsonl", .limit = 3}}, {}, pipeline());
  EXPECT_EQ(shown(dataset), (Shown{"[s]⟦a⟧", "[s]⟦b⟧", "[s]⟦c⟧"}));
}

TEST_F(DatasetTest, ReadsWhatADatasetInfoRegisters) {
  write("rows.json", R"([{"q": "a", "r": "b"}, {"q": "c", "r": "d"}])");
  write("talk.json", R"([{"talk": [{"who": "me", "says": "a"}, {"who": "it", "says": "b"}]}])");
  write("dataset_info.json", R"({
    "pairs": {"file_name": "rows.json", "num_samples": 1, "columns": {"prompt": "q", "response": "r"}},
    "texts": {"file_name": "rows.json", "columns": {"prompt": "q"}},
    "chats": {"file_name": "talk.json", "formatting": "sharegpt", "columns": {"messages": "talk"},
              "tags": {"role_tag": "who", "content_tag": "says", "user_tag": "me", "assistant_tag": "it"}},
    "better": {"file_name": "rows.json", "ranking": true},
    "far": {"hf_hub_url": "x/y"}})");
  const auto read = [&](const char* name) {
    return shown(load_dataset({{.path = folder_ / name}}, {}, chat_pipeline()));
  };
  EXPECT_EQ(read("pairs"), Shown{"<u>a<e><a>⟦b<e>⟧"});
  EXPECT_EQ(read("texts"), (Shown{"[s]⟦a⟧", "[s]⟦c⟧"}));
  EXPECT_EQ(read("chats"), Shown{"<u>a<e><a>⟦b<e>⟧"});
  EXPECT_EQ(bare(error_text<DataError>([&] { read("far"); })),
            "dataset_info.json: far: it has no file_name, so it lies somewhere else; download it "
            "and name the file");
  EXPECT_EQ(bare(error_text<DataError>([&] { read("better"); })),
            "dataset_info.json: better: these are preference rows, which need a preference "
            "objective");
  EXPECT_EQ(bare(error_text<DataError>([&] { read("none"); })), "none: no such file");
}

}  // namespace
}  // namespace peft
