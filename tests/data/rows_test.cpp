#include "peft/data/rows.h"

#include <gtest/gtest.h>

#include "data/error_text.h"

namespace peft {
namespace {

std::vector<std::pair<int64_t, std::string>> rows_of(std::string_view text) {
  RowReader reader(text, "d.jsonl");
  std::vector<std::pair<int64_t, std::string>> rows;
  while (const std::optional<Row> row = reader.next()) {
    rows.emplace_back(row->line, row->value.dump());
  }
  return rows;
}

std::string fault_of_rows(std::string_view text) {
  return error_text<DataError>([&] { rows_of(text); });
}

using Rows = std::vector<std::pair<int64_t, std::string>>;

TEST(Rows, ReadsOneObjectPerLine) {
  EXPECT_EQ(rows_of("{\"a\": 1}\n\n{\"a\": 2}\r\n"), (Rows{{1, "{\"a\":1}"}, {3, "{\"a\":2}"}}));
}

TEST(Rows, ReadsAListOfObjectsUnderAnyName) {
  EXPECT_EQ(rows_of("[{\"a\": \"],{\"},\n {\"a\":\n [2]}\n]\n"),
            (Rows{{1, "{\"a\":\"],{\"}"}, {2, "{\"a\":[2]}"}}));
}

TEST(Rows, EndsOnceAndStaysThere) {
  RowReader reader("[{\"a\": 1}]", "d.json");
  EXPECT_TRUE(reader.next());
  EXPECT_FALSE(reader.next());
  EXPECT_FALSE(reader.next());
}

TEST(Rows, AnEmptyFileHasNoRows) {
  EXPECT_EQ(rows_of(""), Rows{});
  EXPECT_EQ(rows_of(" [ ] \n"), Rows{});
}

TEST(Rows, PassesOverAByteOrderMark) {
  RowReader reader("\xEF\xBB\xBF{\"a\": 1}", "d.jsonl");
  EXPECT_TRUE(reader.had_byte_order_mark());
  EXPECT_EQ(reader.next()->value["a"], 1);
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
  const std::string row = "{\"a\": \"" + std::string(RowReader::kLargestRow, 'x') + "\"}";
  EXPECT_EQ(fault_of_rows(row),
            "d.jsonl:1: expected a row of at most 67,108,864 bytes, found 67,108,873");
}

}  // namespace
}  // namespace peft
