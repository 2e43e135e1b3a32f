#include "peft/data/inspect.h"

#include <gtest/gtest.h>

#include "data/fake_tokenizer.h"

namespace peft {
namespace {

/// "[s]Hi\n" masked, "xy[/s]" trained.
Example example() {
  Example row;
  row.ids = {1, 'H', 'i', '\n', 6, 2};
  row.labels = {-100, -100, -100, -100, 6, 2};
  row.row = 2;
  row.line = 7;
  row.prompt_length = 4;
  return row;
}

TEST(Inspect, BracketsTrainedTokensInPlainText) {
  EXPECT_EQ(show_example(example(), FakeTokenizer(), {.files = {"d.jsonl"}}),
            "row 3, d.jsonl:7, 6 tokens, 2 scored\n[s]Hi\\n⟦xy[/s]⟧\n");
}

TEST(Inspect, ColoursTokensOnATerminal) {
  EXPECT_EQ(show_example(example(), FakeTokenizer(), {.colour = true}),
            "row 3, 6 tokens, 2 scored\n\x1b[2m[s]Hi\\n\x1b[0m\x1b[32mxy[/s]\x1b[0m\n");
}

TEST(Inspect, ListsIdsOnePerLine) {
  EXPECT_EQ(show_example(example(), FakeTokenizer(), {.ids = true}),
            "row 3, 6 tokens, 2 scored\n"
            "     0  masked         1  [s]\n"
            "     1  masked        72  H\n"
            "     2  masked       105  i\n"
            "     3  masked        10  \\n\n"
            "     4  trained        6  xy\n"
            "     5  trained        2  [/s]\n");
}

TEST(Inspect, ShowsWhatCountsLess) {
  Example row = example();
  row.weights = {1, 1, 1, 1, 0.1F, 1};
  EXPECT_EQ(show_example(row, FakeTokenizer(), {}),
            "row 3, 6 tokens, 2 scored\n[s]Hi\\n⟦0.1× xy⟧⟦[/s]⟧\n");
  EXPECT_EQ(example_json(row, FakeTokenizer(), {})["pieces"][1].dump(),
            R"({"text":"xy","trained":true,"weight":0.1})");
  EXPECT_NE(show_example(row, FakeTokenizer(), {.ids = true})
                .find("     4  trained        6  0.1× xy\n     5  trained        2  [/s]\n"),
            std::string::npos);
}

TEST(Inspect, ShowsALabelThatIsAnotherToken) {
  Example row = example();
  row.labels = {-100, -100, -100, -100, 2, 2};
  EXPECT_NE(show_example(row, FakeTokenizer(), {.ids = true})
                .find("     4  trained        6  xy  (scored as 2 [/s])\n"),
            std::string::npos);
}

TEST(Inspect, ShowsWhatWasCutOff) {
  const ShowOptions options{.cut_off = {{2, {'a', 'b'}}}};
  EXPECT_EQ(show_example(example(), FakeTokenizer(), options),
            "row 3, 6 tokens, 2 scored, 2 dropped\n[s]Hi\\n⟦xy[/s]⟧⟪ab⟫\n");
  EXPECT_TRUE(show_example(example(), FakeTokenizer(), {.colour = true, .cut_off = options.cut_off})
                  .ends_with("\x1b[32mxy[/s]\x1b[0m\x1b[9;31mab\x1b[0m\n"));
  EXPECT_EQ(example_json(example(), FakeTokenizer(), options)["pieces"].back().dump(),
            R"({"text":"ab","trained":false,"dropped":true})");
}

TEST(Inspect, EscapesControlCharacters) {
  Example row;
  row.ids = {'a', 27, '[', '\n', 'b'};
  row.labels = row.ids;
  EXPECT_EQ(show_example(row, FakeTokenizer(), {}), "row 1, 5 tokens, 4 scored\n⟦a\\x1b[\\n\nb⟧\n");
}

TEST(Inspect, GivesExamplesAsJson) {
  EXPECT_EQ(example_json(example(), FakeTokenizer(), {}).dump(),
            R"({"row":2,"file":null,"line":7,"tokens":6,"scored_tokens":2,"prompt_length":4,)"
            R"("ids":[1,72,105,10,6,2],"labels":[-100,-100,-100,-100,6,2],)"
            R"("pieces":[{"text":"[s]Hi\n","trained":false},{"text":"xy[/s]","trained":true}]})");
}

TEST(Inspect, SaysTheTotalsThatMatter) {
  DataReport report;
  report.decision = "text, from the key \"text\"";
  report.rows = 1200;
  report.examples = 1190;
  report.tokens = 2000;
  report.scored_tokens = 500;
  report.longest = 90;
  report.truncated = 3;
  report.notes = {"something\nelse"};
  EXPECT_EQ(show_report(report),
            "format: text, from the key \"text\"\n"
            "rows: 1,200, examples: 1,190\n"
            "tokens: 2,000, scored: 500 (25.0 %), longest row: 90\n"
            "something\\nelse\n");
  EXPECT_EQ(report_json(report)["truncated"], 3);
  EXPECT_TRUE(report_json(report)["sha256"].is_null());
}

}  // namespace
}  // namespace peft
