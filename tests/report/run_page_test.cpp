#include "peft/report/run_page.h"

#include <gtest/gtest.h>

#include "io/temporary_directory.h"
#include "peft/report/html.h"

namespace peft {
namespace {

class RunPageTest : public testing::Test {
 protected:
  std::string page() const { return run_page(resolved_, log_, facts_); }
  void expect(const std::string& part) const {
    EXPECT_NE(page().find(part), std::string::npos) << part;
  }

  Json resolved_ = {{"config",
                     {{"model", {{"name_or_path", "models/<b>"}}},
                      {"adapter", {{"peft_type", "LORA"}, {"r", 16}}},
                      {"training", {{"seed", 42}}}}},
                    {"origin", {{"adapter.r", "run.json:4:9"}, {"training.seed", "default"}}}};
  Json log_ = {
      {{"step", 1}, {"loss", 2.0}, {"learning_rate", 1e-4}, {"figures", {{"rank", 12}}}},
      {{"step", 2}, {"loss", 1.0}, {"learning_rate", 5e-5}, {"figures", {{"rank", 8}}}},
      {{"step", 2}, {"eval_loss", 1.25}, {"eval_perplexity", 3.49}, {"eval_token_accuracy", 0.5}}};
  Json facts_ = {
      {"seconds", 65.0},
      {"tokens_per_second", 100.0},
      {"peak_memory_bytes", 2000000},
      {"warnings", {"loss <rose>"}},
      {"plan", {{"memory", {{"weights", 1500000}, {"margin", 400000}}}, {"total_bytes", 1900000}}},
      {"data",
       {{"train",
         {{"decision", "chat, from \"messages\""}, {"rows", 1234}, {"notes", {"2 rows were cut"}}}},
        {"sample",
         {{{"row", 0},
           {"line", 1},
           {"tokens", 5},
           {"scored_tokens", 2},
           {"pieces",
            {{{"text", "a <script>alert(1)</script>\n"}, {"trained", false}},
             {{"text", "yes"}, {"trained", true}}}}}}}}}};
};

TEST_F(RunPageTest, ShowsCurvesOfTheRunAndOfTheMethod) {
  expect("<figcaption>loss</figcaption>");
  expect("<figcaption>learning rate</figcaption>");
  expect("<figcaption>method: rank</figcaption>");
  expect("<span class=\"series-1\">held out</span>");
}

TEST_F(RunPageTest, MarksWhatIsTrainedInItsRows) {
  expect("<pre>a &lt;script&gt;alert(1)&lt;/script&gt;\n<mark>yes</mark></pre>");
  expect("row 1, line 1: 5 tokens, 2 scored");
  expect("<td>rows</td><td class=\"number\">1,234</td>");
  expect("<p>2 rows were cut</p>");
}

TEST_F(RunPageTest, ComparesThePlanWithTheMeasuredPeak) {
  expect("<td>planned together</td><td class=\"number\">1.90 MB</td>");
  expect("<td>measured peak</td><td class=\"number\">2.00 MB</td>");
  expect("The plan is -5.0 % off the measured peak.");
}

TEST_F(RunPageTest, TellsWhereEveryValueCameFrom) {
  expect("<code>adapter.r</code></td><td>16</td><td class=\"soft\">run.json:4:9</td>");
  expect("<code>training.seed</code></td><td>42</td><td class=\"soft\">default</td>");
}

TEST_F(RunPageTest, CountsWarningsAndEvaluations) {
  expect("<h2>Warnings (1)</h2>");
  expect("<li class=\"warning\">loss &lt;rose&gt;</li>");
  expect("<td class=\"number\">2</td><td class=\"number\">1.25</td>");
}

TEST_F(RunPageTest, NeedsNothingFromOutsideAndRunsNothing) {
  for (const char* part : {"<script", "http", "src=", "url(", "@import", "<b>"}) {
    const std::string text = page();
    const size_t first = text.find(part);
    EXPECT_TRUE(first == std::string::npos || std::string(part) == "<b>") << part;
  }
  expect("models/&lt;b&gt;");
}

TEST_F(RunPageTest, SaysThatARunIsInProgress) {
  facts_ = Json::object();
  expect("in progress");
  EXPECT_EQ(page().find("<h2>Memory</h2>"), std::string::npos);
  EXPECT_EQ(page().find("<h2>Data</h2>"), std::string::npos);
}

TEST_F(RunPageTest, IsWrittenBesideTheLogItReads) {
  const TemporaryDirectory folder;
  put_file(folder / "resolved_config.json", resolved_.dump());
  put_file(folder / "train_log.jsonl",
           log_[0].dump() + "\n" + log_[1].dump() + "\n{\"step\": 3, \"lo");
  write_run_page(folder.path(), facts_);
  const std::string text = bytes_of_file(folder / "report.html");
  EXPECT_TRUE(text.starts_with("<!DOCTYPE html>"));
  EXPECT_TRUE(text.ends_with("</html>\n"));
  EXPECT_NE(text.find("<b>2</b><span>steps</span>"), std::string::npos);
}

TEST(HtmlText, EscapesMarkupAndShowsControlCharacters) {
  EXPECT_EQ(html_text("a<b>&\"'"), "a&lt;b&gt;&amp;&quot;&#39;");
  EXPECT_EQ(html_text("x\x1b[1m\ny\tz"), "x\\x1b[1m\ny\tz");
  EXPECT_EQ(html_text("über"), "über");
}

}  // namespace
}  // namespace peft
