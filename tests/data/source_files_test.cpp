#include "peft/data/source_files.h"

#include <gtest/gtest.h>

#include "data/error_text.h"
#include "io/temporary_directory.h"

namespace peft {
namespace {

class SourceFilesTest : public testing::Test {
 protected:
  void put(const std::string& name) const { put_file(folder_ / name, "{}"); }
  /// Names of the files that a path of the folder stands for.
  std::vector<std::string> files(const std::string& path, bool held_out = false) const {
    std::vector<std::string> names;
    for (const SourceFiles& part : source_files({{.path = folder_ / path, .held_out = held_out}})) {
      for (const auto& file : part.files) {
        names.push_back(file.filename().string());
      }
    }
    return names;
  }
  std::string fault(const std::string& path, bool held_out = false) const {
    return error_text<DataError>([&] { files(path, held_out); })
        .substr(folder_.path().string().size() + 1);
  }

  TemporaryDirectory folder_;
};

using Names = std::vector<std::string>;

TEST_F(SourceFilesTest, AFolderStandsForItsDataFiles) {
  for (const char* name : {"b.jsonl", "a.CSV", "LICENSE.txt", "requirements.txt", ".hidden.json",
                           "dataset_info.json"}) {
    put(name);
  }
  EXPECT_EQ(files(""), (Names{"a.CSV", "b.jsonl"}));
  EXPECT_EQ(files("", /*held_out=*/true), (Names{"a.CSV", "b.jsonl"}));
}

TEST_F(SourceFilesTest, SplitsOfAFolderAreToldByTheirNames) {
  for (const char* name :
       {"train-00001.jsonl", "train-00000.jsonl", "valid.jsonl", "test.jsonl", "trainers.jsonl"}) {
    put(name);
  }
  EXPECT_EQ(files(""), (Names{"train-00000.jsonl", "train-00001.jsonl"}));
  EXPECT_EQ(files("", /*held_out=*/true), Names{"valid.jsonl"});
}

TEST_F(SourceFilesTest, RefusesAFolderWithoutTheSplit) {
  put("train.jsonl");
  EXPECT_EQ(fault("", /*held_out=*/true),
            ": its files name splits, and none is for evaluation; name a file");
}

TEST_F(SourceFilesTest, APatternStandsForTheFilesThatItFits) {
  for (const char* name : {"a1.jsonl", "a2.jsonl", "b1.jsonl"}) {
    put(name);
  }
  EXPECT_EQ(files("a*.jsonl"), (Names{"a1.jsonl", "a2.jsonl"}));
  EXPECT_EQ(files("[ab]1.jsonl"), (Names{"a1.jsonl", "b1.jsonl"}));
  EXPECT_EQ(fault("c*.jsonl"), "c*.jsonl: no file fits this pattern");
}

TEST_F(SourceFilesTest, AFileMayHaveThePatternsCharacters) {
  put("a[1].jsonl");
  EXPECT_EQ(files("a[1].jsonl"), Names{"a[1].jsonl"});
}

TEST_F(SourceFilesTest, RefusesAFolderWithoutData) {
  put("README.md");
  EXPECT_EQ(fault(""),
            ": no data files in this folder; expected .jsonl, .ndjson, .json, .csv, .tsv, .txt, "
            ".parquet");
}

}  // namespace
}  // namespace peft
