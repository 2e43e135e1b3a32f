#include "peft/util/pattern.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

namespace peft {
namespace {

using Found = std::optional<std::pair<size_t, size_t>>;

/// The text of the exception that `action` throws, or nothing.
template <class E, class Action>
std::string message_of(const Action& action) {
  try {
    action();
  } catch (const E& error) {
    return error.what();
  }
  return "";
}

TEST(Pattern, FindsByteOffsetsFromAPosition) {
  const Pattern word("\\p{L}+");
  EXPECT_EQ(word.find("  été, là"), Found({2, 7}));
  EXPECT_EQ(word.find("  été, là", 7), Found({9, 12}));
  EXPECT_EQ(word.find("  été, là", 12), std::nullopt);
  EXPECT_EQ(word.find("a", 2), std::nullopt);
}

TEST(Pattern, KnowsUnicodeClassesAndCase) {
  EXPECT_TRUE(Pattern("\\w+").full_match("naïveté"));
  EXPECT_TRUE(Pattern("(?i)É").full_match("é"));
  EXPECT_TRUE(Pattern("\\s").full_match("\u3000"));
}

TEST(Pattern, MatchesTheWholeOrNothing) {
  const Pattern projection("model\\.layers\\.\\d+\\.self_attn\\.(q|v)_proj");
  EXPECT_TRUE(projection.full_match("model.layers.11.self_attn.v_proj"));
  EXPECT_FALSE(projection.full_match("model.layers.11.self_attn.v_proj.lora_A"));
  EXPECT_FALSE(Pattern("a").full_match("a\n"));
  EXPECT_TRUE(Pattern("a|ab").full_match("ab"));
}

TEST(Pattern, NamesTheFaultOfAnExpression) {
  EXPECT_EQ(message_of<std::invalid_argument>([] { Pattern("a(b"); }),
            "missing closing parenthesis at offset 3");
  EXPECT_EQ(message_of<std::invalid_argument>([] { Pattern(std::string(70'000, 'a')); }),
            "a pattern of 70000 bytes is longer than 65536");
}

TEST(Pattern, EndsHopelessSearchesWithAnError) {
  const Pattern hostile("(a+)+[bc]");
  EXPECT_EQ(message_of<std::runtime_error>([&] { hostile.find(std::string(200, 'a')); }),
            "match limit exceeded");
}

TEST(Pattern, RefusesASubjectThatIsNotUtf8) {
  EXPECT_NE(message_of<std::runtime_error>([] { Pattern("a").find("\xFFz"); }), "");
}

TEST(Pattern, TakesAMillionEqualLettersAtOnce) {
  const std::string subject(1'000'000, 'a');
  EXPECT_EQ(Pattern(" ?\\p{L}+|\\s+(?!\\S)|\\s+").find(subject), Found({0, 1'000'000}));
  EXPECT_EQ(Pattern("\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+").find(std::string(1'000'000, ' ')),
            Found({0, 1'000'000}));
}

}  // namespace
}  // namespace peft
