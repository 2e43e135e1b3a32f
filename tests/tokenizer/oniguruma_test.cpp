#include <gtest/gtest.h>

#include "io/temporary_directory.h"
#include "split_pattern.h"

namespace peft {
namespace {

/// The pieces that the matches of an expression cut out of a text.
std::vector<std::string> matches(const std::string& expression, const std::string& text) {
  std::vector<std::string> found;
  for (const ByteRange& range : SplitPattern::expression(expression, "here").matches(text)) {
    found.push_back(text.substr(range.begin, range.size()));
  }
  return found;
}

using Texts = std::vector<std::string>;

TEST(Oniguruma, RepeatsAnIntervalWithAPlus) {
  EXPECT_EQ(matches("\\p{N}{1,3}+", "1234567 8"), (Texts{"1234567", "8"}));
  EXPECT_EQ(matches("(?:ab){2}+", "abababab"), (Texts{"abababab"}));
  EXPECT_EQ(matches("[a-c]{2}+", "abcab"), (Texts{"abca"}));
}

TEST(Oniguruma, KnowsSpacesDigitsAndWords) {
  EXPECT_EQ(matches("\\s", "a\u180Eb\u0085c\u3000"), (Texts{"\u0085", "\u3000"}));
  EXPECT_EQ(matches("\\d+", "12٣½"), (Texts{"12٣"}));
  EXPECT_EQ(matches("\\w+", "naïve_x² -"), (Texts{"naïve_x²"}));
  EXPECT_EQ(matches("\\h+", "xBEEFg"), (Texts{"BEEF"}));
  EXPECT_EQ(matches("[^\\s\\d]+", "a b1"), (Texts{"a", "b"}));
}

TEST(Oniguruma, AnchorsAtLinesAndLetsModesPass) {
  EXPECT_EQ(matches("^a$", "a\na"), (Texts{"a", "a"}));
  EXPECT_EQ(matches("(?m:a.b)", "a\nb"), (Texts{"a\nb"}));
  EXPECT_EQ(matches("a.b", "a\nb"), (Texts{}));
  EXPECT_EQ(matches("(?i:'s)", "'S"), (Texts{"'S"}));
}

TEST(Oniguruma, TakesAScriptWithoutWhatItShares) {
  EXPECT_EQ(matches("\\p{Han}+", "漢字、。"), (Texts{"漢字"}));
}

TEST(Oniguruma, RefusesWhatHasNoCounterpart) {
  EXPECT_EQ(error_text([] { from_oniguruma("[a-z&&[^b]]", "here"); }),
            "here: intersection of character classes (&&) is not supported");
  EXPECT_EQ(error_text([] { from_oniguruma("[a[bc]]", "here"); }),
            "here: brackets inside brackets are not supported");
}

}  // namespace
}  // namespace peft
