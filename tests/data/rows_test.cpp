#include "peft/data/rows.h"

#include <gtest/gtest.h>

#include "data/error_text.h"
#include "io/temporary_directory.h"
#include "peft/data/text_window.h"

namespace peft {
namespace {

using Rows = std::vector<std::pair<int64_t, std::string>>;

/// Rows of a file of this name and text, as lines and JSON.
Rows rows_of(std::string_view text, const std::string& name = "d.jsonl",
             TextSplit split = TextSplit::kBlankLine) {
  const TemporaryDirectory folder;
  put_file(folder / name, std::string(text));
  const auto source = open_rows(folder / name, split);
  Rows rows;
  while (const std::optional<RawRow> row = source->next()) {
    rows.emplace_back(row->line, source->parse(*row).dump());
  }
  return rows;
}

/// The message without the folder.
std::string fault_of_rows(std::string_view text, const std::string& name = "d.jsonl") {
  const std::string fault = error_text<DataError>([&] { rows_of(text, name); });
  const size_t place = fault.find(name);
  return place == std::string::npos ? fault : fault.substr(place);
}

TEST(Rows, ReadsOneObjectPerLine) {
  EXPECT_EQ(rows_of("{\"a\": 1}\n\n{\"a\": 2}\r\n"), (Rows{{1, "{\"a\":1}"}, {3, "{\"a\":2}"}}));
}

TEST(Rows, ReadsAListOfObjectsUnderAnyName) {
  EXPECT_EQ(rows_of("[{\"a\": \"],{\"},\n {\"a\":\n [2]}\n]\n"),
            (Rows{{1, "{\"a\":\"],{\"}"}, {2, "{\"a\":[2]}"}}));
}

TEST(Rows, EndsOnceAndStaysThere) {
  const TemporaryDirectory folder;
  put_file(folder / "d.json", "[{\"a\": 1}]");
  const auto source = open_rows(folder / "d.json");
  EXPECT_TRUE(source->next());
  EXPECT_FALSE(source->next());
  EXPECT_FALSE(source->next());
}

TEST(Rows, AnEmptyFileHasNoRows) {
  EXPECT_EQ(rows_of(""), Rows{});
  EXPECT_EQ(rows_of(" [ ] \n"), Rows{});
}

TEST(Rows, PassesOverAByteOrderMark) {
  EXPECT_EQ(rows_of("\xEF\xBB\xBF{\"a\": 1}"), (Rows{{1, "{\"a\":1}"}}));
  EXPECT_EQ(rows_of("\xEF\xBB\xBFn\n1\n", "d.csv"), (Rows{{2, "{\"n\":\"1\"}"}}));
  EXPECT_EQ(rows_of("\xEF\xBB\xBFone\n", "d.txt"), (Rows{{1, "{\"text\":\"one\"}"}}));
}

TEST(Rows, NamesTheLineOfABadRow) {
  EXPECT_EQ(fault_of_rows("{\"a\": 1}\n{\"a\": 1, \"a\": 2}\n"),
            "d.jsonl:2:10: the key \"a\" appears twice");
  EXPECT_EQ(fault_of_rows("{\"a\": 1}\n[1]\n"), "d.jsonl:2: expected an object, found a list");
  EXPECT_EQ(fault_of_rows("[{\"a\": 1},\n\n 5]"),
            "d.jsonl:3: expected an object, found an integer");
}

TEST(Rows, NamesTheLineInsideAnElement) {
  EXPECT_TRUE(fault_of_rows("[{\"a\": 1},\n{\"a\":\n x}]").starts_with("d.jsonl:3:2: "));
}

TEST(Rows, RefusesBrokenUtf8) {
  EXPECT_TRUE(fault_of_rows("{\"a\": \"\xC0\x80\"}\n").starts_with("d.jsonl:1:"));
}

TEST(Rows, SaysWhatIsExpectedOfAFileThatIsNotRows) {
  EXPECT_TRUE(fault_of_rows("{\n\"a\": 1}\n")
                  .ends_with("; expected one JSON object per line, or a list of objects"));
}

TEST(Rows, RefusesTextBehindAList) {
  EXPECT_EQ(fault_of_rows("[{\"a\": 1}]\n{}"), "d.jsonl:2: expected nothing behind the list");
  EXPECT_EQ(
      fault_of_rows("[{\"a\": 1} {}]"),
      "d.jsonl:1:11: syntax error while parsing value - unexpected '{'; expected end of input");
  EXPECT_EQ(fault_of_rows("[{\"a\": 1}"), "d.jsonl:1: expected a comma or the end of the list");
}

TEST(Rows, RefusesARowBeyondTheLimit) {
  const std::string row = "{\"a\": \"" + std::string(kLargestRow, 'x') + "\"}";
  EXPECT_EQ(fault_of_rows(row),
            "d.jsonl:1: expected a row of at most 67,108,864 bytes, found 67,108,873");
}

TEST(Rows, RefusesUtf16) {
  EXPECT_EQ(fault_of_rows(std::string_view("\xFF\xFE{\0", 4)),
            "d.jsonl: expected UTF-8, found UTF-16; convert it: iconv -f UTF-16 -t UTF-8");
}

TEST(CsvRows, ReadsWhatRfc4180Writes) {
  EXPECT_EQ(rows_of("a,b\r\n1,\"x, \"\"y\"\"\r\nz\"\r\n\r\n,\"\"\r\n", "d.csv"),
            (Rows{{2, R"({"a":"1","b":"x, \"y\"\r\nz"})"}, {5, R"({"a":"","b":""})"}}));
}

TEST(CsvRows, NeedsNoLineBreakAtTheEnd) {
  EXPECT_EQ(rows_of("a,b\n1,2", "d.csv"), (Rows{{2, R"({"a":"1","b":"2"})"}}));
  EXPECT_EQ(rows_of("a,b\n1,", "d.csv"), (Rows{{2, R"({"a":"1","b":""})"}}));
}

TEST(CsvRows, AQuoteInsideAFieldIsACharacter) {
  EXPECT_EQ(rows_of("a\n5\" pipe\n", "d.csv"), (Rows{{2, R"({"a":"5\" pipe"})"}}));
}

TEST(CsvRows, TabSeparatedFilesMayLeaveQuotesOpen) {
  EXPECT_EQ(rows_of("a\tb\n\"x\ty\n\"p\tq\"\tr\n", "d.tsv"),
            (Rows{{2, R"({"a":"\"x","b":"y"})"}, {3, R"({"a":"p\tq","b":"r"})"}}));
}

TEST(CsvRows, FindsAnotherSeparatorInAHeaderWithoutCommas) {
  EXPECT_EQ(rows_of("a;b\n1,5;2\n", "d.csv"), (Rows{{2, R"({"a":"1,5","b":"2"})"}}));
}

TEST(CsvRows, NamesTheLineOfABadRow) {
  EXPECT_EQ(fault_of_rows("a,b\n1,2\n3\n", "d.csv"),
            "d.csv:3: expected 2 fields as in the header, found 1");
  EXPECT_EQ(fault_of_rows("a,b\n\"1\"x,2\n", "d.csv"),
            "d.csv:2: field 1: expected a separator behind the closing quote");
  EXPECT_EQ(fault_of_rows("a,b\n\"1,2\n3,4\n", "d.csv"),
            "d.csv:2: a quote in this row is never closed");
  EXPECT_EQ(fault_of_rows("a,a\n1,2\n", "d.csv"),
            "d.csv:1: the column \"a\" appears twice in the header");
  EXPECT_EQ(fault_of_rows("a\n\xC0\x80\n", "d.csv"), "d.csv:2: expected UTF-8, found other bytes");
  EXPECT_EQ(fault_of_rows("", "d.csv"), "d.csv: expected a header line, found nothing");
}

TEST(TextRows, AreParagraphsLinesOrTheWholeFile) {
  const std::string text = "\n  one\r\ntwo\r\n \nthree\n\n\n";
  EXPECT_EQ(rows_of(text, "d.txt"),
            (Rows{{2, R"({"text":"  one\ntwo"})"}, {5, R"({"text":"three"})"}}));
  EXPECT_EQ(
      rows_of(text, "d.txt", TextSplit::kLine),
      (Rows{{2, R"({"text":"  one"})"}, {3, R"({"text":"two"})"}, {5, R"({"text":"three"})"}}));
  EXPECT_EQ(rows_of("a\n\nb\n", "d.txt", TextSplit::kNone), (Rows{{1, R"({"text":"a\n\nb\n"})"}}));
}

TEST(TextWindow, GivesTheSameTextInAnyBlocks) {
  const TemporaryDirectory folder;
  put_file(folder / "d", "ab\ncd\n\nefg");
  for (const size_t block : {1, 2, 3, 100}) {
    TextWindow window(folder / "d", block);
    EXPECT_EQ(window.find('\n'), 2);
    EXPECT_EQ(window.find('\n', 3), 5);
    window.pass(5);
    EXPECT_TRUE(window.skip("\n"));
    EXPECT_EQ(window.line(), 4);
    EXPECT_EQ(window.find('\n'), 3);
    EXPECT_EQ(window.text(), "efg");
    window.pass(1);
    EXPECT_EQ(window.column(), 2);
  }
}

}  // namespace
}  // namespace peft
