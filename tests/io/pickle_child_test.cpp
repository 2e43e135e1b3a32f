// What the parent makes of children that answer nothing of use. The child itself is tested with the
// program (tests/cli/pickle_child_test.cpp).
#include "peft/io/pickle_child.h"

#include <gtest/gtest.h>

#include "io/temporary_directory.h"

namespace peft {
namespace {

/// A file of 100 bytes whose table is asked of a line of shell ($0 is its path).
class PlantedPickleChild : public testing::Test {
 protected:
  PlantedPickleChild() { put_file(path(), std::string(100, 'x')); }

  std::string path() const { return (directory_ / "m.bin").string(); }

  /// What is thrown when the child runs `line`, without the path in front.
  std::string fault(const std::string& line,
                    std::chrono::milliseconds patience = std::chrono::seconds(60)) const {
    const std::string text = error_text([&] {
      read_torch_table_in({.command = {"/bin/sh", "-c", line}, .patience = patience},
                          InputFile(path()));
    });
    EXPECT_TRUE(text.starts_with(path() + ": ")) << text;
    return text.substr(path().size() + 2);
  }
  /// The same for a child that answers `table` and exits with 0.
  std::string fault_of(const std::string& table) const {
    put_file(directory_ / "table", table);
    return fault("cat '" + (directory_ / "table").string() + "'; exit 0");
  }

  TemporaryDirectory directory_;
};

TEST_F(PlantedPickleChild, ThatAnswersIsBelieved) {
  const std::string line = R"(printf '[["w", "F32", 4, [2, 3], [4, 1]]]'; exit 0)";
  const TorchTable table =
      read_torch_table_in({.command = {"/bin/sh", "-c", line}}, InputFile(path()));
  ASSERT_EQ(table.size(), 1u);
  EXPECT_EQ(table.at("w").info.begin, 4u);
  EXPECT_EQ(table.at("w").info.bytes, 24u);
  EXPECT_EQ(table.at("w").strides, (std::vector<int64_t>{4, 1}));
}

TEST_F(PlantedPickleChild, ThatFindsAFaultIsQuoted) {
  EXPECT_EQ(fault("printf '%s: pickle, byte 2: no' \"$0\"; exit 3"), "pickle, byte 2: no");
  EXPECT_THROW(read_torch_table_in(
                   {.command = {"/bin/sh", "-c", "printf '%s: cannot be read' \"$0\"; exit 5"}},
                   InputFile(path())),
               IoError);
}

TEST_F(PlantedPickleChild, ThatDiesIsOneLine) {
  EXPECT_EQ(fault("kill -SEGV $$"),
            "the process that reads its pickle was ended by signal 11 (Segmentation fault)");
  EXPECT_EQ(fault("exit 0"),
            "table of tensors:1:1: syntax error while parsing value - unexpected end of input; "
            "expected '[', '{', or a literal");
}

TEST_F(PlantedPickleChild, ThatTakesTooLongIsStopped) {
  EXPECT_EQ(fault("exec sleep 600", std::chrono::milliseconds(50)),
            "the process that reads its pickle was stopped after 0.05 seconds");
}

TEST_F(PlantedPickleChild, ThatNeverStopsTalkingIsStopped) {
  EXPECT_EQ(fault("exec yes"), "its table of tensors has more than 67108864 bytes");
}

TEST_F(PlantedPickleChild, ThatFindsNoWordsOfOursIsNotQuoted) {
  const std::string unanswered = "the process that reads its pickle ended with code ";
  EXPECT_EQ(fault("printf 'another file: no'; exit 3"), unanswered + "3 and without an answer");
  EXPECT_EQ(fault("printf '%s: two\\nlines' \"$0\"; exit 3"),
            unanswered + "3 and without an answer");
  EXPECT_EQ(fault("printf '%s: no' \"$0\"; exit 1"), unanswered + "1 and without an answer");
}

TEST_F(PlantedPickleChild, ThatAnswersNonsenseIsRefused) {
  const std::string table = "table of tensors: ";
  EXPECT_EQ(fault_of("{}"), table + "expected a list of at most 500000 tensors");
  EXPECT_EQ(fault_of("[] []"),
            "table of tensors:1:4: syntax error while parsing value - unexpected '['; expected end "
            "of input");
  EXPECT_EQ(fault_of(R"([["w", "F32", 0]])"),
            table + R"(expected the row of a tensor, found ["w","F32",0])");
  EXPECT_EQ(fault_of(R"([["a\u001bb", "F32", 0, []]])"),
            table + R"(expected the row of a tensor, found ["a\u001bb","F32",0,[]])");
  EXPECT_EQ(fault_of(R"([["w", "F32", 0, []], ["w", "F32", 0, []]])"), table + "w: is there twice");
  EXPECT_EQ(fault_of(R"([["w", "X", 0, []]])"), table + R"(w: unknown dtype "X")");
  EXPECT_EQ(fault_of(R"([["w", "F32", -1, []]])"), table + "w: expected a size, found -1");
  EXPECT_EQ(fault_of(R"([["w", "F32", 0, [1.0]]])"), table + "w: expected a size, found 1.0");
}

TEST_F(PlantedPickleChild, WhoseTensorsLeaveTheFileIsRefused) {
  const auto fault_of_tensor = [&](const std::string& place) {
    return fault_of("[[\"w\", \"F32\", " + place + "]]");
  };
  const std::string tensor = "table of tensors: w: ";
  EXPECT_EQ(fault_of_tensor("0, [26]"), tensor + "its 104 bytes from 0 on leave the file");
  EXPECT_EQ(fault_of_tensor("101, []"), tensor + "its 4 bytes from 101 on leave the file");
  EXPECT_EQ(fault_of_tensor("0, [2, 2], [30, 1]"),
            tensor + "its 128 bytes from 0 on leave the file");
  EXPECT_EQ(fault_of_tensor("0, [1000], [0]"), tensor + "its 4 bytes from 0 on leave the file");
  EXPECT_EQ(fault_of_tensor("0, [2, 2], [1]"), tensor + "1 strides for 2 dimensions");
  EXPECT_EQ(fault_of_tensor("0, [3], [9223372036854775807]"), tensor + "its strides reach too far");
  EXPECT_EQ(fault_of_tensor("0, [9223372036854775807]"),
            tensor + "the shape [9223372036854775807] has too many elements");
}

}  // namespace
}  // namespace peft
