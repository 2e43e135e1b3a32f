#include <gtest/gtest.h>

#include "cli/program.h"
#include "io/temporary_directory.h"
#include "peft/util/json.h"

namespace peft {
namespace {

class DataCommand : public testing::Test {
 protected:
  /// Runs `peft data VERB` on rows of a file.
  Outcome data(const std::string& verb, const std::string& rows, const std::string& flags = "") {
    put_file(folder_ / "d.jsonl", rows);
    return peft("data " + verb +
                " --model " PEFT_SOURCE_DIR "/tests/fixtures/data/tokenizer --data " +
                (folder_ / "d.jsonl").string() + " " + flags);
  }

  TemporaryDirectory folder_;
};

const char* const kGood = "{\"text\": \"the first\"}\n{\"text\": \"the second\"}\n";
const char* const kTwice = "{\"text\": \"the first\"}\n{\"text\": \"the first\"}\n";

TEST_F(DataCommand, CheckEndsWithZeroWhenNothingIsFound) {
  const Outcome outcome = data("check", kGood);
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.out, "nothing was found\n");
}

TEST_F(DataCommand, CheckEndsWithNineWhenSomethingIs) {
  const Outcome outcome = data("check", kTwice);
  EXPECT_EQ(outcome.code, 9);
  EXPECT_TRUE(outcome.out.starts_with("duplicates: 1 row equal to an earlier row ("));
  EXPECT_EQ(outcome.err, "peft: error: 1 finding in the data; --allow KIND lets one pass\n");
}

TEST_F(DataCommand, CheckLetsAnAllowedKindPass) {
  EXPECT_EQ(data("check", kTwice, "--allow duplicates").code, 0);
  EXPECT_EQ(data("check", kTwice, "--allow duplicate").code, 2);
}

TEST_F(DataCommand, CheckFindsHeldOutRowsThatAreTrainedOn) {
  put_file(folder_ / "held_out.jsonl", "{\"text\": \"the second\"}\n");
  const Outcome outcome =
      data("check", kGood, "--json --eval " + (folder_ / "held_out.jsonl").string());
  EXPECT_EQ(outcome.code, 9);
  const Json document = Json::parse(outcome.out);
  EXPECT_EQ(document["findings"][0]["kind"], "overlap");
  EXPECT_EQ(document["findings"][0]["count"], 1);
  EXPECT_EQ(document["eval"]["rows"], 1);
}

TEST_F(DataCommand, StatsGiveLengthsAndPacking) {
  const Json document = Json::parse(data("stats", kGood, "--json --max-length 64").out);
  EXPECT_EQ(document["train"]["lengths"]["rows"], 2);
  EXPECT_EQ(document["train"]["packing"]["packs"], 1);
  EXPECT_TRUE(document["eval"].is_null());
}

TEST_F(DataCommand, ShowPrintsRowsThatTrainingWouldRefuse) {
  const Outcome outcome = data("show", "{\"text\": \"the first\"}\n{\"text\": 1}\n");
  EXPECT_EQ(outcome.code, 4);
  EXPECT_NE(outcome.out.find("row 1"), std::string::npos);
  EXPECT_TRUE(outcome.err.ends_with("d.jsonl:2: text: expected a string, found 1\n"));
}

}  // namespace
}  // namespace peft
