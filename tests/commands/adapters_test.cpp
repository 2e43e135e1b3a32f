// peft adapters convert and merge, as the front end asks for them.
#include <gtest/gtest.h>

#include "peft/commands/commands.h"
#include "peft/methods/lora_file.h"
#include "support/fixtures.h"

namespace peft {
namespace {

class Adapters : public testing::Test {
 protected:
  std::string out() const { return (folder_.path() / "out").string(); }

  Json conversion(const std::string& adapter) const {
    return {{"adapter", fixture(adapter).string()},
            {"out", out()},
            {"model", nullptr},
            {"rank", 0},
            {"overwrite", false},
            {"json", true},
            {"threads", 1}};
  }
  Json sum(const std::string& first, const std::string& second) const {
    return {{"adapters", {fixture(first).string(), fixture(second).string()}},
            {"weights", {0.5, 0.5}},
            {"out", out()},
            {"method", "svd"},
            {"density", 0.0},
            {"majority_sign", "total"},
            {"seed", 0},
            {"rank", 0},
            {"overwrite", false},
            {"json", true},
            {"threads", 1}};
  }

  /// Runs a command and reads what it printed.
  static Json printed(void (*command)(const Json&), const Json& request) {
    testing::internal::CaptureStdout();
    command(request);
    std::fflush(stdout);
    return Json::parse(testing::internal::GetCapturedStdout());
  }

  TemporaryDirectory folder_;
};

TEST_F(Adapters, AreConvertedWithoutABaseWhereItDecidesNothing) {
  const Json result = printed(run_convert_adapter, conversion("methods/llama-adalora/pruned"));
  EXPECT_EQ(result["from"], "ADALORA");
  EXPECT_EQ(result["exact"], true);
  EXPECT_EQ(result["relative_error"], nullptr);
  EXPECT_EQ(result["modules"].size(), 3u);
  EXPECT_EQ(read_adapter(out()).config.at("peft_type"), "LORA");
}

TEST_F(Adapters, AreConvertedWithAMeasuredError) {
  Json request = conversion("methods/llama-lora-dora");
  request["model"] = fixture("models/llama").string();
  const Json result = printed(run_convert_adapter, request);
  EXPECT_EQ(result["exact"], false);
  const double worst = result["relative_error"]["worst"].get<double>();
  EXPECT_GT(worst, 0.1);
  EXPECT_LT(worst, 1.0);
  EXPECT_LE(result["relative_error"]["mean"].get<double>(), worst);
}

TEST_F(Adapters, AskForTheBaseThatDecides) {
  try {
    run_convert_adapter(conversion("methods/llama-ia3"));
    FAIL() << "was converted";
  } catch (const ModelError& error) {
    EXPECT_NE(std::string(error.what()).find("give --model DIR"), std::string::npos);
  }
  EXPECT_FALSE(std::filesystem::exists(out()));
}

TEST_F(Adapters, AreNotWrittenOverAFolder) {
  std::filesystem::create_directories(out());
  EXPECT_THROW(run_convert_adapter(conversion("models/llama/lora")), UsageError);
}

TEST_F(Adapters, AreMergedIntoOne) {
  const Json result =
      printed(run_merge_adapters, sum("combinations/llama/first", "combinations/llama/second"));
  EXPECT_EQ(result["modules"], 7);
  EXPECT_EQ(result["rank"], 2);
  EXPECT_GT(result["distance_from_sum"]["worst"].get<double>(), 0.01);
  EXPECT_EQ(take_apart(read_adapter(out())).updates.size(), 7u);
}

TEST_F(Adapters, OfOtherMethodsAreMergedAfterAConversionOnly) {
  try {
    run_merge_adapters(sum("models/llama/lora", "methods/llama-ia3"));
    FAIL() << "was merged";
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("IA3 is not a LoRA; make it one first"),
              std::string::npos);
  }
}

}  // namespace
}  // namespace peft
