#include "peft/template/python_text.h"

#include <gtest/gtest.h>

namespace peft {
namespace {

using Parts = std::vector<std::string>;

TEST(PythonText, StripsUnicodeWhiteSpace) {
  EXPECT_EQ(python_strip("\u00a0 a\u200b \u3000\x1c", StripSides::kBoth), "a\u200b");
  EXPECT_EQ(python_strip("éaé", StripSides::kLeft, "é"), "aé");
  EXPECT_EQ(python_strip("  ", StripSides::kRight), "");
}

TEST(PythonText, SplitsAsPythonDoes) {
  EXPECT_EQ(python_split("a,b,", ",", -1), (Parts{"a", "b", ""}));
  EXPECT_EQ(python_split("a,b,c", ",", 1, /*from_right=*/true), (Parts{"a,b", "c"}));
  EXPECT_EQ(python_split(" a  b c ", std::nullopt, 1), (Parts{"a", "b c "}));
  EXPECT_EQ(python_split(" a  b c ", std::nullopt, 1, /*from_right=*/true), (Parts{" a  b", "c"}));
  EXPECT_EQ(python_split("", std::nullopt, -1), Parts{});
  EXPECT_EQ(python_split("", ",", -1), Parts{""});
}

TEST(PythonText, BreaksLinesAtEveryUnicodeLineEnd) {
  EXPECT_EQ(python_lines("a\r\nb\rc\u2028d\x1e\n"), (Parts{"a", "b", "c", "d", ""}));
}

TEST(PythonText, ConvertsCaseWithUnicodesSpecialCases) {
  EXPECT_EQ(python_upper("straße ŉ ÿ ǆ"), "STRASSE ʼN Ÿ Ǆ");
  EXPECT_EQ(python_lower("ΟΔΟΣ Σ İ"), "οδος σ i̇");
  EXPECT_EQ(python_capitalize("éCOLE"), "École");
  EXPECT_EQ(python_title("it's a-b"), "It'S A-B");
}

TEST(PythonText, WritesStringsAsRepr) {
  EXPECT_EQ(python_quoted("it's"), "\"it's\"");
  EXPECT_EQ(python_quoted("'\"\\\n"), R"('\'"\\\n')");
  EXPECT_EQ(python_quoted("é\x7f\u00a0\u200b\U000E0001😀"), "'é\\x7f\\xa0\\u200b\\U000e0001😀'");
}

TEST(PythonText, WritesFloatsAsRepr) {
  EXPECT_EQ(python_real(0.1), "0.1");
  EXPECT_EQ(python_real(1e15), "1000000000000000.0");
  EXPECT_EQ(python_real(1e16), "1e+16");
  EXPECT_EQ(python_real(0.0001), "0.0001");
  EXPECT_EQ(python_real(0.00001), "1e-05");
  EXPECT_EQ(python_real(-0.0), "-0.0");
  EXPECT_EQ(python_real(5e-324), "5e-324");
}

}  // namespace
}  // namespace peft
