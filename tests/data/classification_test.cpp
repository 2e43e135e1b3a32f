// Rows with a label or a number, for classifiers.
#include "data/dataset_case.h"

namespace peft {
namespace {

class Classification : public DatasetTest {
 protected:
  static DataOptions options(Task task = Task::kClassification) {
    DataOptions result;
    result.task = task;
    return result;
  }
  static std::vector<int32_t> labels(const Dataset& dataset) {
    std::vector<int32_t> all;
    for (const Example& example : dataset.examples) {
      all.push_back(example.label);
    }
    return all;
  }
};

TEST_F(Classification, SortsTheNamesOfItsLabels) {
  const Dataset dataset = load(
      "{\"text\": \"a\", \"label\": \"pos\"}\n{\"text\": \"b\", \"label\": \"neg\"}\n"
      "{\"text\": \"c\", \"label\": \"pos\"}\n",
      options());
  EXPECT_EQ(dataset.report.format, "classification");
  EXPECT_EQ(dataset.label_names, (std::vector<std::string>{"neg", "pos"}));
  EXPECT_EQ(labels(dataset), (std::vector<int32_t>{1, 0, 1}));
  EXPECT_EQ(shown(dataset), (Shown{"[s]a", "[s]b", "[s]c"}));
}

TEST_F(Classification, IntegersAreSortedAsNumbers) {
  const Dataset dataset =
      load("{\"sentence\": \"a\", \"category\": 10}\n{\"sentence\": \"b\", \"category\": 9}\n",
           options());
  EXPECT_EQ(dataset.label_names, (std::vector<std::string>{"9", "10"}));
  EXPECT_EQ(labels(dataset), (std::vector<int32_t>{1, 0}));
}

TEST_F(Classification, KnowsOnlyTheLabelsThatAreGiven) {
  DataOptions given = options();
  given.label_names = {"pos", "neg"};
  EXPECT_EQ(labels(load("{\"text\": \"a\", \"label\": \"neg\"}\n{\"text\": \"b\", \"label\": 0}\n",
                        given)),
            (std::vector<int32_t>{1, 0}));
  EXPECT_EQ(fault(R"({"text": "a", "label": "nog"})", given),
            "d.jsonl:1: the label \"nog\" is none of the 2 known ones (pos, ...); did you mean "
            "\"neg\"?");
  EXPECT_EQ(fault(R"({"text": "a", "label": 2})", given),
            "d.jsonl:1: the label \"2\" is none of the 2 known ones (pos, ...)");
}

TEST_F(Classification, AnEmptyLabelIsNone) {
  EXPECT_EQ(fault(R"({"text": "a", "label": " "})", options()),
            "d.jsonl:1: label: expected a label, found \" \"");
}

TEST_F(Classification, EqualTextsWithOtherLabelsAreNoDuplicates) {
  const Dataset dataset = load(
      "{\"text\": \"a\", \"label\": \"x\"}\n{\"text\": \"a\", \"label\": \"y\"}\n"
      "{\"text\": \"a\", \"label\": \"x\"}\n",
      options());
  EXPECT_EQ(dataset.report.duplicates, 1);
  EXPECT_EQ(dataset.report.contradicting_labels, 1);
  EXPECT_EQ(bare(dataset.report.places.at("contradicting_labels")), "d.jsonl:2");
}

TEST_F(Classification, NumbersThatAreNamesAreNoPlaces) {
  DataOptions given = options();
  given.label_names = {"0", "2"};
  EXPECT_EQ(labels(load("{\"text\": \"a\", \"label\": 2}\n", given)), (std::vector<int32_t>{1}));
  EXPECT_EQ(fault(R"({"text": "a", "label": 1})", given),
            "d.jsonl:1: the label \"1\" is none of the 2 known ones (0, ...); did you mean "
            "\"0\"?");
}

TEST_F(Classification, RowsOfIdsHaveALabelToo) {
  const Dataset dataset = load(
      "{\"input_ids\": [1, 2, 3], \"token_type_ids\": [0, 0, 1], \"label\": \"b\"}\n"
      "{\"input_ids\": [4], \"label\": \"a\"}\n",
      options());
  EXPECT_EQ(dataset.report.format, "tokens");
  EXPECT_EQ(labels(dataset), (std::vector<int32_t>{1, 0}));
  EXPECT_EQ(dataset.examples[0].second_type, 2);
  EXPECT_EQ(dataset.examples[1].second_type, 0);
  EXPECT_EQ(fault(R"({"input_ids": [1, 2], "token_type_ids": [0], "label": 0})", options()),
            "d.jsonl:1: token_type_ids: expected one for each of input_ids, found [0]");
  EXPECT_EQ(
      fault(R"({"input_ids": [1, 2, 3], "token_type_ids": [0, 1, 0], "label": 0})", options()),
      "d.jsonl:1: token_type_ids: expected zeros and, behind them, ones, found [0,1,0]");
}

TEST_F(Classification, ASecondTextThatIsCutOffIsNone) {
  DataOptions cut = options();
  cut.max_length = 2;
  const Dataset dataset =
      load(R"({"input_ids": [1, 2, 3], "token_type_ids": [0, 0, 1], "label": 0})", cut);
  EXPECT_EQ(dataset.examples[0].ids.size(), 2u);
  EXPECT_EQ(dataset.examples[0].second_type, 0);
}

TEST_F(Classification, ARegressionReadsNumbers) {
  const Dataset dataset =
      load("{\"text\": \"a\", \"label\": 1.5}\n{\"text\": \"b\", \"label\": \"-2\"}\n",
           options(Task::kRegression));
  EXPECT_EQ(dataset.examples[0].score, 1.5F);
  EXPECT_EQ(dataset.examples[1].score, -2.0F);
  EXPECT_EQ(fault(R"({"text": "a", "label": "x"})", options(Task::kRegression)),
            "d.jsonl:1: label: expected a number, found \"x\"");
}

TEST_F(Classification, TwoTextsAreOneSequence) {
  const Dataset dataset = load(R"({"sentence1": "ab", "sentence2": "cde", "label": 0})", options());
  EXPECT_EQ(shown(dataset), Shown{"[s]ab<e>cde[/s]"});
  EXPECT_EQ(dataset.examples[0].second_type, 4);
}

TEST_F(Classification, CutsTheLongerTextAndKeepsSpecialTokens) {
  DataOptions cut = options();
  const auto rows = R"({"text": "abcdefg", "text_pair": "xz", "label": 0})";
  const std::pair<int64_t, const char*> cases[] = {
      {10, "[s]abcde<e>xz[/s]"}, {6, "[s]ab<e>x[/s]"}, {5, "[s]a<e>x[/s]"}, {4, "[s]a<e>[/s]"}};
  for (const auto& [length, expected] : cases) {
    cut.max_length = length;
    const Dataset dataset = load(rows, cut);
    EXPECT_EQ(shown(dataset), Shown{expected});
    EXPECT_EQ(dataset.report.truncated, 1);
  }
}

TEST_F(Classification, OtherRowsDoNotFit) {
  EXPECT_EQ(fault(R"({"prompt": "a", "completion": "b"})", options()),
            "d.jsonl:1: a classification row has text (or sentence) and label (or category), which "
            "are not the keys of this row; its keys are \"prompt\", \"completion\"; name them with "
            "data.columns");
}

}  // namespace
}  // namespace peft
