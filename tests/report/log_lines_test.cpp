#include "peft/report/log_lines.h"

#include <gtest/gtest.h>

#include <cmath>

namespace peft {
namespace {

const Json kStep = {{"step", 3},
                    {"epoch", 0.5},
                    {"loss", 1.25},
                    {"learning_rate", 0.0001},
                    {"grad_norm", "NaN"},
                    {"tokens", 900},
                    {"scored_tokens", 100},
                    {"tokens_per_second", 50.5},
                    {"peak_memory_bytes", 1000},
                    {"figures", {{"rank, mean", 7.5}}}};

TEST(LogNumber, ReadsNumbersAndTheNamesOfOthers) {
  EXPECT_EQ(log_number(2.5), 2.5);
  EXPECT_TRUE(std::isnan(*log_number("NaN")));
  EXPECT_EQ(*log_number("-Infinity"), -INFINITY);
  EXPECT_EQ(log_number(nullptr), std::nullopt);
  EXPECT_EQ(log_number("text"), std::nullopt);
}

TEST(EventScalars, UseTheTagsOfOtherTrainers) {
  const EventFile::Scalars scalars = event_scalars(kStep);
  ASSERT_EQ(scalars.size(), 8u);
  EXPECT_EQ(scalars[1], (std::pair<std::string, double>("train/loss", 1.25)));
  EXPECT_EQ(scalars[3].first, "train/grad_norm");
  EXPECT_TRUE(std::isnan(scalars[3].second));
  EXPECT_EQ(scalars[7].first, "method/rank, mean");
  EXPECT_EQ(event_scalars({{"step", 3}, {"eval_loss", 2.0}})[0].first, "eval/loss");
}

TEST(CsvLines, HaveTheColumnsOfEveryRunAndOfTheMethod) {
  EXPECT_EQ(csv_header(csv_columns(kStep)),
            "step,epoch,loss,learning_rate,grad_norm,tokens,scored_tokens,tokens_per_second,"
            "peak_memory_bytes,penalty,eval_loss,eval_perplexity,eval_token_accuracy,eval_accuracy,"
            "\"rank, mean\"\n");
}

TEST(CsvLines, LeaveEmptyWhatALineDoesNotHave) {
  const std::vector<std::string> columns = csv_columns(kStep);
  EXPECT_EQ(csv_line(kStep, columns), "3,0.5,1.25,0.0001,NaN,900,100,50.5,1000,,,,,,7.5\n");
  EXPECT_EQ(csv_line({{"step", 3}, {"eval_loss", 2.0}}, columns), "3,,,,,,,,,,2.0,,,,\n");
}

}  // namespace
}  // namespace peft
