#include <gtest/gtest.h>

#include <filesystem>

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

const std::string kParquet = std::string("data show --json --chat-template chatml --model ") +
                             PEFT_SOURCE_DIR "/tests/fixtures/data/tokenizer --data " +
                             PEFT_SOURCE_DIR "/tests/fixtures/data/chat.parquet";

TEST_F(DataCommand, ReadsParquetWhereThePlugInIsBuilt) {
  if (!std::filesystem::exists(PEFT_BINARY_DIR "/libpeft_parquet.so")) {
    GTEST_SKIP() << "libpeft_parquet.so is not built, as CMake found no Arrow";
  }
  const Json document = Json::parse(peft(kParquet).out);
  EXPECT_EQ(document["report"]["decision"], "chat, from the key \"messages\"");
  EXPECT_EQ(document["report"]["rows"], 2);
  std::string text;
  for (const Json& piece : document["examples"][0]["pieces"]) {
    text += piece["text"].get<std::string>();
  }
  EXPECT_EQ(text, "<|im_start|>user\nHé?<|im_end|>\n<|im_start|>assistant\nthe first<|im_end|>\n");
  EXPECT_EQ(document["examples"][1]["line"], 2);
}

TEST_F(DataCommand, NamesAParquetFileThatIsNone) {
  if (!std::filesystem::exists(PEFT_BINARY_DIR "/libpeft_parquet.so")) {
    GTEST_SKIP() << "libpeft_parquet.so is not built, as CMake found no Arrow";
  }
  put_file(folder_ / "d.parquet", "no such thing");
  const Outcome outcome =
      peft("data show --model " PEFT_SOURCE_DIR "/tests/fixtures/data/tokenizer --data " +
           (folder_ / "d.parquet").string());
  EXPECT_EQ(outcome.code, 4);
  EXPECT_NE(outcome.err.find("d.parquet: Parquet magic bytes not found"), std::string::npos)
      << outcome.err;
}

TEST_F(DataCommand, SaysHowToReadParquetWithoutThePlugIn) {
  std::filesystem::copy_file(PEFT_BINARY_DIR "/peft", folder_ / "peft");
  const Outcome outcome = run_program((folder_ / "peft").string(), kParquet);
  EXPECT_EQ(outcome.code, 4);
  EXPECT_NE(outcome.err.find("chat.parquet: Parquet needs libpeft_parquet.so beside the program"),
            std::string::npos)
      << outcome.err;
}

TEST_F(DataCommand, ShowPrintsRowsThatTrainingWouldRefuse) {
  const Outcome outcome = data("show", "{\"text\": \"the first\"}\n{\"text\": 1}\n");
  EXPECT_EQ(outcome.code, 4);
  EXPECT_NE(outcome.out.find("row 1"), std::string::npos);
  EXPECT_TRUE(outcome.err.ends_with("d.jsonl:2: text: expected a string, found 1\n"));
}

}  // namespace
}  // namespace peft
