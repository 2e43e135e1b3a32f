// peft eval with solved rows in the context, on data of ids.
#include <gtest/gtest.h>

#include <fstream>

#include "peft/commands/commands.h"
#include "support/fixtures.h"

namespace peft {
namespace {

class Shots : public testing::Test {
 protected:
  /// A file with one row per line.
  std::string file(const char* name, const std::vector<Json>& rows) const {
    const std::filesystem::path path = folder_.path() / name;
    std::ofstream stream(path);
    for (const Json& row : rows) {
      stream << row.dump() << "\n";
    }
    return path.string();
  }

  Json request(const std::string& data) const {
    return {{"model", fixture("models/llama").string()},
            {"adapter", nullptr},
            {"adapters", Json::array()},
            {"data", Json::array({data})},
            {"format", "tokens"},
            {"max_length", nullptr},
            {"train_on", "assistant"},
            {"chat_template", "tokenizer"},
            {"columns", Json::object()},
            {"limit", nullptr},
            {"compare", false},
            {"fail_if", nullptr},
            {"json", true},
            {"generate", 0},
            {"shots", 0},
            {"shots_from", nullptr},
            {"ensemble", nullptr},
            {"match", nullptr},
            {"batch_tokens", nullptr},
            {"dtype", "float32"},
            {"device", "cpu"},
            {"threads", 1}};
  }

  static Json result(const Json& request) {
    testing::internal::CaptureStdout();
    run_eval(request);
    std::fflush(stdout);
    return Json::parse(testing::internal::GetCapturedStdout());
  }

  TemporaryDirectory folder_;
  const Json first_ = {{"input_ids", {3, 14, 15, 9}}, {"labels", {-100, -100, 15, 9}}};
  const Json second_ = {{"input_ids", {2, 6, 5}}, {"labels", {2, 6, 5}}};
  std::string data_ = file("data.jsonl", {first_, second_});
  std::string shots_ = file("shots.jsonl", {{{"input_ids", {8, 7}}, {"labels", {8, 7}}},
                                            {{"input_ids", {11, 12, 13}}, {"labels", {11, 12, 13}}},
                                            {{"input_ids", {1, 4}}, {"labels", {1, 4}}}});
};

TEST_F(Shots, StandInFrontOfEveryRowAndAreNotScored) {
  // By hand: two shots in front, and the row's first token without a target, as when it is alone.
  const std::string by_hand =
      file("by_hand.jsonl", {{{"input_ids", {8, 7, 11, 12, 13, 3, 14, 15, 9}},
                              {"labels", {-100, -100, -100, -100, -100, -100, -100, 15, 9}}},
                             {{"input_ids", {8, 7, 11, 12, 13, 2, 6, 5}},
                              {"labels", {-100, -100, -100, -100, -100, -100, 6, 5}}}});
  Json with_shots = request(data_);
  with_shots["shots"] = 2;
  with_shots["shots_from"] = shots_;
  const Json column = result(with_shots)["base_2_shots"];
  const Json expected = result(request(by_hand));
  EXPECT_NEAR(column["loss"].get<double>(), expected["loss"].get<double>(), 1e-6);
  EXPECT_EQ(column["scored_tokens"], 4);
  EXPECT_EQ(column["scored_tokens"], expected["scored_tokens"]);
  EXPECT_EQ(column["context_tokens"], 5);
}

TEST_F(Shots, AreTheBasesAloneBesideTheAdapter) {
  Json both = request(data_);
  both["adapter"] = fixture("models/llama/lora").string();
  both["adapters"] = Json::array({both["adapter"]});
  both["compare"] = true;
  const Json without = result(both);
  both["shots"] = 1;
  both["shots_from"] = shots_;
  const Json with_shots = result(both);
  EXPECT_EQ(with_shots["adapter"]["loss"], without["adapter"]["loss"]);
  EXPECT_EQ(with_shots["base"]["loss"], without["base"]["loss"]);
  EXPECT_NE(with_shots["base_1_shots"]["loss"], without["base"]["loss"]);
  EXPECT_EQ(with_shots["base_1_shots"]["scored_tokens"], without["base"]["scored_tokens"]);
}

std::string refusal(const Json& request) {
  try {
    run_eval(request);
  } catch (const DataError& error) {
    return error.what();
  }
  return "";
}

TEST_F(Shots, AreAsManyAsWereAskedFor) {
  Json too_many = request(data_);
  too_many["shots"] = 4;
  too_many["shots_from"] = shots_;
  EXPECT_EQ(refusal(too_many), "--shots 4: " + shots_ + " has 3 rows that can be used");
}

TEST_F(Shots, MustLeaveRoomForTheRow) {
  const std::vector<int32_t> long_row(60, 9);
  Json too_long = request(data_);
  too_long["shots"] = 2;
  too_long["shots_from"] = file("long.jsonl", {{{"input_ids", long_row}, {"labels", long_row}},
                                               {{"input_ids", long_row}, {"labels", long_row}}});
  EXPECT_EQ(refusal(too_long),
            "--shots 2: a row with its examples has 124 tokens, the model has 64 positions");
}

}  // namespace
}  // namespace peft
