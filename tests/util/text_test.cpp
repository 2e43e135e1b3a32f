#include "peft/util/text.h"

#include <gtest/gtest.h>

namespace peft {
namespace {

TEST(Text, MeasuresEditDistanceWithTranspositions) {
  EXPECT_EQ(edit_distance("learing_rate", "learning_rate"), 1u);
  EXPECT_EQ(edit_distance("ab", "ba"), 1u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
}

TEST(Text, MakesControlCharactersVisible) {
  EXPECT_EQ(escaped("a\n\x1b[31m\xFF é"), "a\\n\\x1b[31m\\xff é");
}

TEST(Text, JudgesUtf8) {
  EXPECT_TRUE(is_utf8("é€😀"));
  EXPECT_FALSE(is_utf8("\xC0\x80"));
  EXPECT_FALSE(is_utf8("\xED\xA0\x80"));
  EXPECT_FALSE(is_utf8("\xF4\x90\x80\x80"));
}

TEST(Text, DecodesWhatItEncodes) {
  for (const char32_t c : {U'a', U'é', U'€', U'😀'}) {
    std::string text;
    append_utf8(text, c);
    size_t offset = 0;
    EXPECT_EQ(next_code_point(text, offset), c);
    EXPECT_EQ(offset, text.size());
  }
}

TEST(Text, FormatsQuantitiesForPeople) {
  EXPECT_EQ(with_commas(1234567), "1,234,567");
  EXPECT_EQ(with_commas(-1000), "-1,000");
  EXPECT_EQ(human_bytes(1'234'000'000), "1.23 GB");
  EXPECT_EQ(human_seconds(185.0), "3 min 05 s");
}

}  // namespace
}  // namespace peft
