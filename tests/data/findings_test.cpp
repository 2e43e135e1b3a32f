#include "peft/data/findings.h"

#include <gtest/gtest.h>

#include "data/error_text.h"
#include "data/fake_tokenizer.h"
#include "io/temporary_directory.h"

namespace peft {
namespace {

class FindingsTest : public testing::Test {
 protected:
  Dataset load(const std::string& rows, DataOptions options = {}) const {
    put_file(folder_ / "d.jsonl", rows);
    options.refuses = false;
    return load_dataset({{.path = folder_ / "d.jsonl"}}, options, {tokenizer_, nullptr, {2}});
  }
  /// "kind: text" of each finding, without the folder.
  std::vector<std::string> found(const Dataset& set) const {
    std::vector<std::string> lines;
    for (const Finding& finding : findings({set.report, set.examples, set.files})) {
      std::string line = finding.kind + ": " + finding.text;
      const std::string folder = folder_.path().string() + "/";
      for (size_t at = line.find(folder); at != std::string::npos; at = line.find(folder)) {
        line.erase(at, folder.size());
      }
      lines.push_back(line);
    }
    return lines;
  }

  TemporaryDirectory folder_;
  FakeTokenizer tokenizer_;
};

using Lines = std::vector<std::string>;

TEST_F(FindingsTest, AreNoneForGoodRows) {
  EXPECT_EQ(found(load("{\"text\": \"abc\"}\n{\"text\": \"def\"}\n")), Lines{});
}

TEST_F(FindingsTest, CountRowsAndSayWhere) {
  EXPECT_EQ(found(load("{\"text\": \"abc\"}\n{\"text\": \"abc\"}\n{\"text\": \"<u>abcdefgh\"}\n",
                       {.max_length = 6})),
            (Lines{"truncated: 1 row cut at data.max_length (d.jsonl:3)",
                   "special_in_text: 1 row with the spelling of a special token in its own text "
                   "(d.jsonl:3)",
                   "duplicates: 1 row equal to an earlier row (d.jsonl:2)"}));
}

TEST_F(FindingsTest, AreNotLookedForWhereNoRowHasAShape) {
  const std::string fault = error_text<DataError>([&] { load("{\"a\": 1}\n{\"b\": 2}\n"); });
  EXPECT_NE(fault.find("d.jsonl:1: "), std::string::npos) << fault;
  EXPECT_NE(fault.find("\"a\""), std::string::npos) << fault;
}

TEST_F(FindingsTest, SayWhatTrainingWouldRefuse) {
  EXPECT_EQ(
      found(load("{\"text\": \"abc\"}\n{\"text\": 1}\n")),
      (Lines{"refused: training would refuse this: d.jsonl:2: text: expected a string, found 1",
             "bad_rows: 1 row breaking the shape (d.jsonl:2)"}));
  EXPECT_EQ(found(load("{\"prompt\": \"a\", \"completion\": \"b\"}\n", {.max_length = 2})),
            (Lines{"refused: training would refuse this: d.jsonl: 1 of 1 rows (100.0 %) have no "
                   "supervised token after truncation to 2; raise data.max_length or set "
                   "data.overflow to \"drop\"",
                   "unsupervised: 1 row without a supervised token, dropped (d.jsonl:1)",
                   "truncated: 1 row cut at data.max_length (d.jsonl:1)"}));
}

TEST_F(FindingsTest, RememberWhatWasCutOff) {
  const Dataset set = load("{\"text\": \"abcdef\"}\n", {.max_length = 4, .keep_cut = 1});
  EXPECT_EQ(set.cut_off.at(0), (std::vector<int32_t>{'d', 'e', 'f'}));
}

}  // namespace
}  // namespace peft
